/**
 * Upstreams that are hostile or broken (c.4 of the catalogue, U01–U29), as data: what one
 * sends and how it ends, what the client sees of it, and the cause that is
 * counted; for plain requests and for CONNECT, with the upstream's head cut in two at
 * every offset. Elsewhere: TLS that is wrong (U28) in `upstream-tls.test.ts`, names
 * that change their address (U30) with the address policy.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CAUSES, type Cause } from '../../src/core/cause.ts';
import { full } from '../helpers/full.ts';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import { inLanes, type Script, type ScriptedUpstream, startScriptedUpstream } from '../helpers/scripted-upstream.ts';
import { type Behaviour, converse, eventually, RawClient } from '../helpers/wire.ts';

const TIMEOUT_MS = 300;
/** Requests under way at once. */
const LANES = 16;

let rig: GatewayRig;
let upstream: ScriptedUpstream;

beforeAll(async () => {
  const limits = { connectReplyTimeoutMs: TIMEOUT_MS, firstByteTimeoutMs: TIMEOUT_MS, responseIdleMs: TIMEOUT_MS };
  rig = await startGatewayRig({ limits });
  upstream = await startScriptedUpstream();
  rig.put(1, upstream.port);
});
beforeEach(() => {
  upstream.reset();
  upstream.behave(upstream.scripted);
});
afterAll(async () => {
  await rig.close();
  await upstream.close();
});

interface Case {
  readonly id: string;
  readonly name: string;
  /** latin1 text. */
  readonly sends: string;
  readonly ends?: NonNullable<Script['ends']>;
  readonly method?: 'GET' | 'HEAD';
  /** What the client gets: all of it but our own lines, or the cause that it is told. */
  readonly gets: { readonly text: string } | { readonly cause: Cause };
  /** Octets at which cutting tells nothing new: a head of 200 KiB has too many. */
  readonly unsplit?: true;
}

const told = (cause: Cause) => ({ cause });
const page = (text: string) => ({ text });
const [OK, LENGTH_0] = ['HTTP/1.1 200 OK\r\n', 'Content-Length: 0\r\n'];
const HTML =
  'Content-Type: text/html\r\nSet-Cookie: canary=1\r\nLocation: http://canary/\r\nAlt-Svc: h2="canary:1"\r\n' +
  'Strict-Transport-Security: canary\r\nClear-Site-Data: "canary"\r\nContent-Length: 6\r\n\r\ncanary';
const REALM = 'Proxy-Authenticate: Basic realm="canary"\r\n';
/** The credential of session 1, as the rig makes it. */
const PAIR = 'user-1:pass-1';
const BASE64 = Buffer.from(PAIR).toString('base64');

/** Heads that are not valid, whatever they answer. */
const MALFORMED: readonly (readonly [id: string, name: string, sends: string])[] = [
  ['U08', 'HTML without a status line', '<html>canary</html>\r\n\r\n'],
  ['U08', 'HTTP/2', 'HTTP/2 200\r\n\r\n'],
  ['U08', 'HTTP/1.2', 'HTTP/1.2 200 OK\r\n\r\n'],
  ['U08', 'a banner', 'SSH-2.0-canary\r\n'],
  ['U09', 'NUL in a value', `${OK}A: \0\r\n\r\n`],
  ['U09', 'bare CR in a value', `${OK}A: a\rb\r\n\r\n`],
  ['U09', 'bare LF for CRLF', `${OK}A: a\nB: b\r\n\r\n`],
  ['U09', 'bare LF everywhere', 'HTTP/1.1 200 OK\nA: a\n\n'],
  ['U09', 'a folded line', `${OK}A: a\r\n b\r\n\r\n`],
  ['U09', 'a blank before a colon', `${OK}A : a\r\n\r\n`],
  ['U09', 'a line without a colon', `${OK}canary\r\n\r\n`],
  ['U09', 'an empty name', `${OK}: a\r\n\r\n`],
  ['U14', 'status 099', 'HTTP/1.1 099 x\r\n\r\n'],
  ['U14', 'status 000', 'HTTP/1.1 000 x\r\n\r\n'],
  ['U14', 'status 600', 'HTTP/1.1 600 x\r\n\r\n'],
  ['U14', 'status 999', 'HTTP/1.1 999 x\r\n\r\n'],
  ['U14', 'status 1000', 'HTTP/1.1 1000 x\r\n\r\n'],
  ['U14', 'a control octet in the reason', 'HTTP/1.1 200 \x1b[2J\r\n\r\n'],
  ['U15', '101 without fields', 'HTTP/1.1 101 x\r\n\r\n'],
  ['U15', '101 to WebSocket', 'HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\ncanary'],
];
/** As `MALFORMED`, too long to be cut at every offset. */
const OVERSIZED: readonly (readonly [id: string, name: string, sends: string])[] = [
  ['U10', 'a head of 20 KiB', `${OK}A: ${'a'.repeat(20_480)}\r\n\r\n`],
  ['U10', 'a head of 200 KiB', `${OK}A: ${'a'.repeat(204_800)}\r\n\r\n`],
  ['U10', 'a head without end', `${OK}A: ${'a'.repeat(1 << 20)}`],
  ['U10', '101 lines', `${OK}${'a:\r\n'.repeat(101)}\r\n`],
  ['U10', '3,000 lines', `${OK}${'a:\r\n'.repeat(3_000)}\r\n`],
];
const malformed = (): Case[] => [
  ...MALFORMED.map(([id, name, sends]) => ({ id, name, sends, gets: told('upstream_protocol') })),
  ...OVERSIZED.map(
    ([id, name, sends]) => ({ id, name, sends, gets: told('upstream_protocol'), unsplit: true }) as const,
  ),
];

/** Heads that are not whole. */
const BEGUN = ['', 'HTTP/1.1 2', `${OK}A:`, `${OK}A: b\r\n`] as const;
const cutShort = (): Case[] =>
  BEGUN.flatMap((sends) => [
    { id: 'U08', name: `${JSON.stringify(sends)}, an end`, sends, ends: 'ends', gets: told('upstream_reset') },
    { id: 'U27', name: `${JSON.stringify(sends)}, a reset`, sends, ends: 'resets', gets: told('upstream_reset') },
  ]);

const PLAIN: readonly Case[] = [
  ...malformed(),
  ...cutShort(),
  ...[
    ['407 with a length', `HTTP/1.1 407 canary\r\n${REALM}${HTML}`],
    ['407 in chunks', `HTTP/1.1 407 canary\r\n${REALM}Transfer-Encoding: chunked\r\n\r\n6\r\ncanary\r\n0\r\n\r\n`],
    ['407 in HTTP/1.0', `HTTP/1.0 407 canary\r\n${REALM}\r\ncanary`],
  ].map(([name, sends]) => ({ id: 'U06', name: name!, sends: sends!, gets: told('upstream_auth_failed') })),
  {
    id: 'U06',
    name: '407 with a body without end',
    sends: `HTTP/1.1 407 canary\r\n${REALM}\r\n`,
    ends: 'floods',
    gets: told('upstream_auth_failed'),
  },
  ...[
    ['length, then chunked', `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`],
    ['chunked, then length', `${OK}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n`],
    ['two lengths', `${OK}Content-Length: 5\r\nContent-Length: 6\r\n\r\n`],
    ['the same length twice', `${OK}Content-Length: 5\r\nContent-Length: 5\r\n\r\n`],
    ['a length of -2', `${OK}Content-Length: -2\r\n\r\n`],
    ['a length of 5,5', `${OK}Content-Length: 5,5\r\n\r\n`],
    ['gzip, chunked', `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n`],
  ].map(([name, sends]) => ({ id: 'U11', name: name!, sends: sends!, gets: told('upstream_protocol') })),
  {
    id: 'U13',
    name: 'chunks in HTTP/1.0',
    sends: 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    gets: told('upstream_protocol'),
  },
  {
    id: 'U14',
    name: '200 without a reason',
    sends: `HTTP/1.1 200\r\n${LENGTH_0}\r\n`,
    gets: page('HTTP/1.1 200 \r\n'),
  },
  {
    id: 'U14',
    name: 'octets ≥ 0x80',
    sends: `HTTP/1.1 599 \xe9\r\n${LENGTH_0}\r\n`,
    gets: page('HTTP/1.1 599 \xe9\r\n'),
  },
  {
    id: 'U17',
    name: '100 with a length',
    sends: `HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n${OK}${LENGTH_0}\r\n`,
    gets: page(OK),
  },
  {
    id: 'U16',
    name: '16 interim responses',
    sends: `${'HTTP/1.1 103 x\r\n\r\n'.repeat(16)}${OK}${LENGTH_0}\r\n`,
    gets: page(`${'HTTP/1.1 103 x\r\n\r\n'.repeat(16)}${OK}`),
    unsplit: true,
  },
  ...(['HEAD 200', 'GET 204', 'GET 304'] as const).map((way) => ({
    id: 'U19',
    name: `a body where there is none (${way})`,
    method: way.split(' ')[0] as 'GET' | 'HEAD',
    sends: `HTTP/1.1 ${way.split(' ')[1]} x\r\n\r\ncanary`,
    gets: page(`HTTP/1.1 ${way.split(' ')[1]} x\r\n`),
  })),
  {
    id: 'U22',
    name: 'hop-by-hop lines, known and named',
    sends:
      `${OK}Connection: close, X-Up\r\nX-Up: canary\r\nKeep-Alive: canary\r\nProxy-Connection: canary\r\n${REALM}` +
      `Proxy-Authentication-Info: canary\r\nUpgrade: canary\r\nTE: canary\r\nTrailer: canary\r\nA: b\r\n${LENGTH_0}\r\n`,
    gets: page(`${OK}A: b\r\n`),
  },
  ...[
    ['as it was sent', `${OK}X-Debug: Basic ${BASE64}\r\n${LENGTH_0}\r\n`],
    ['without its padding', `${OK}X-Debug: <${BASE64.replace(/=+$/, '')}>\r\n${LENGTH_0}\r\n`],
    ['in clear', `${OK}X-Debug: ${PAIR}@canary\r\n${LENGTH_0}\r\n`],
    ['in the reason', `HTTP/1.1 200 ${BASE64}\r\n${LENGTH_0}\r\n`],
    ['in an interim response', `HTTP/1.1 103 x\r\nLink: <http://${PAIR}@x/>\r\n\r\n${OK}${LENGTH_0}\r\n`],
    ['in an error page', `HTTP/1.1 400 x\r\nContent-Length: 30\r\n\r\n<p>Basic ${BASE64}</p>`],
  ].map(([name, sends]) => ({
    id: 'U23',
    name: `our credential ${name}`,
    sends: sends!,
    gets: told('upstream_protocol'),
  })),
  {
    id: 'U29',
    name: 'a redirect of its own',
    sends: `HTTP/1.1 302 x\r\nLocation: http://elsewhere.test/\r\n${LENGTH_0}\r\n`,
    gets: page('HTTP/1.1 302 x\r\nLocation: http://elsewhere.test/\r\n'),
  },
];

const TUNNELS = page('SSH-2.0-x\r\n');
const CONNECT: readonly Case[] = [
  ...malformed(),
  ...cutShort(),
  ...[
    ['U01', 'with a length', `${OK}Content-Length: 123\r\n\r\n`],
    ['U01', 'with chunks', `${OK}Transfer-Encoding: chunked\r\n\r\n`],
    [
      'U01',
      'with two lengths and chunks',
      `${OK}Content-Length: 1\r\nContent-Length: 2\r\nTransfer-Encoding: x\r\n\r\n`,
    ],
    ['U03', 'and nothing else', `${OK}\r\n`],
    ['U04', 'as 204', 'HTTP/1.1 204 x\r\n\r\n'],
    ['U04', 'as 201', 'HTTP/1.1 201 x\r\n\r\n'],
    ['U04', 'as 299', 'HTTP/1.1 299 x\r\n\r\n'],
    ['U14', 'without a reason', 'HTTP/1.1 200\r\n\r\n'],
    ['U17', 'behind a 100 with a length', `HTTP/1.1 100 x\r\nContent-Length: 5\r\n\r\n${OK}\r\n`],
  ].map(([id, name, head]) => ({ id: id!, name: `200 ${name}`, sends: `${head}SSH-2.0-x\r\n`, gets: TUNNELS })),
  ...(
    [
      ['U06', '407 with a length', `HTTP/1.1 407 canary\r\n${REALM}${HTML}`, 'upstream_auth_failed'],
      [
        'U06',
        '407 in chunks',
        `HTTP/1.1 407 x\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ncanary`,
        'upstream_auth_failed',
      ],
      ['U06', '407 in HTTP/1.0', `HTTP/1.0 407 x\r\n${REALM}\r\ncanary`, 'upstream_auth_failed'],
      [
        'U06',
        '407 with length and chunks',
        `HTTP/1.1 407 x\r\nTransfer-Encoding: chunked\r\n${HTML}`,
        'upstream_protocol',
      ],
      ['U07', '403', `HTTP/1.1 403 canary\r\n${HTML}`, 'upstream_denied_target'],
      ['U07', '404', `HTTP/1.1 404 canary\r\n${HTML}`, 'upstream_denied_target'],
      ['U24', '503', `HTTP/1.1 503 canary\r\n${HTML}`, 'target_unreachable'],
      ['U25', '302', `HTTP/1.1 302 canary\r\n${HTML}`, 'upstream_protocol'],
    ] as const
  ).map(([id, name, sends, cause]) => ({ id, name, sends, gets: told(cause) })),
  {
    id: 'U06',
    name: '407 with a body without end',
    sends: `HTTP/1.1 407 canary\r\n${REALM}\r\n`,
    ends: 'floods',
    gets: told('upstream_auth_failed'),
  },
  {
    id: 'U16',
    name: '5,000 interim responses',
    sends: 'HTTP/1.1 103 x\r\n\r\n'.repeat(5_000),
    gets: told('upstream_protocol'),
    unsplit: true,
  },
];

/** Offsets to cut at: all of the head, where `full`; else every third, a different third for each case. */
function offsetsOf({ sends, unsplit }: Case, nth: number): number[] {
  const head = unsplit ? 1 : Math.min(sends.length, sends.lastIndexOf('\r\n\r\n') + 4 || sends.length);
  const every = Array.from({ length: Math.max(head, 1) }, (_, i) => i);
  return full ? every : every.filter((at) => at === 0 || at % 3 === nth % 3);
}

async function check(one: Case, nth: number, connect: boolean): Promise<void> {
  const { gets } = one;
  const offsets = offsetsOf(one, nth);
  const cause = 'cause' in gets ? gets.cause : null;
  const before = cause === null ? 0 : rig.counted(cause);
  await inLanes(offsets, LANES, async (splitAt) => {
    const name = upstream.name({ octets: Buffer.from(one.sends, 'latin1'), splitAt, ends: one.ends ?? 'stays' });
    const line = connect ? `CONNECT ${name}.test:443` : `${one.method ?? 'GET'} http://a.test/${name}`;
    const client = await RawClient.connect(rig.port);
    client.send(rig.head(line, ['Connection: close']));
    const text =
      connect && cause === null ? await client.until((c) => c.text.endsWith('x\r\n')) : await client.untilEnd();
    client.close();
    const why = `cut at ${splitAt}: ${JSON.stringify(text.slice(0, 300))}`;
    expect(text, why).not.toMatch(/canary|proxy-authenticate/i);
    if (cause !== null) return expectTold(text, cause, why);
    if (connect) return expect(text, why).toMatch(/^HTTP\/1\.1 200 [\s\S]*?\r\n\r\nSSH-2\.0-x\r\n$/);
    const theirs = text.replace(
      /(?:Content-Length: 0|Sallyport-.*|Proxy-Status: sallyport|Connection: close)\r\n/g,
      '',
    );
    expect(theirs, why).toBe(`${(gets as { text: string }).text}\r\n`);
  });
  if (cause !== null) expect(rig.counted(cause) - before).toBe(offsets.length);
  await eventually('nothing is under way', () => rig.gateway.holdings().inFlight === 0);
  if (cause === null)
    return void expect(upstream.received().match(/ HTTP\/1\.1\r\nHost: /g)).toHaveLength(offsets.length);
  // Those without a request of this case are idle since another.
  const used = upstream.connections.filter(({ text }) => text !== '');
  await eventually('its connections are over', () => used.every(({ socket }) => socket.destroyed));
}

/** One answer of ours, behind interim responses at most. */
function expectTold(text: string, cause: Cause, why: string): void {
  const { status, sentence } = CAUSES[cause];
  const final = text.replace(/^(?:HTTP\/1\.1 1\d\d [\s\S]*?\r\n\r\n)*/, '');
  expect(final, why).toMatch(new RegExp(`^HTTP/1\\.1 ${status} ${cause}\r\n`));
  expect(final, why).toMatch(new RegExp(`\r\n\r\n${sentence.replaceAll('.', '\\.')}\n$`));
  expect(final.match(/HTTP\/1\.1 \d/g), why).toHaveLength(1);
}

/** Sends one octet every so often, for ever. */
function dribbling(octets: string, everyMs: number): Behaviour {
  return ({ socket, text }) => {
    if (!text.endsWith('\r\n\r\n')) return;
    let at = 0;
    const timer = setInterval(() => {
      socket.write(octets[Math.min(at++, octets.length - 1)]!);
    }, everyMs);
    socket.once('close', () => clearInterval(timer));
  };
}

describe('to a plain request', () => {
  test.each(PLAIN.map((one, nth) => ({ ...one, nth })))('$id $name', { timeout: 60_000 }, (one) =>
    check(one, one.nth, false),
  );
});

describe('to a CONNECT', () => {
  test.each(CONNECT.map((one, nth) => ({ ...one, nth })))('$id $name', { timeout: 60_000 }, (one) =>
    check(one, one.nth, true),
  );
});

describe('time', () => {
  test('U08 a head that does not go on: the deadline of its kind of request', async () => {
    await Promise.all(
      BEGUN.flatMap((octets) =>
        (['first_byte_timeout', 'upstream_reply_timeout'] as const).map(async (cause) => {
          const name = upstream.name({ octets: Buffer.from(octets) });
          const line = cause === 'first_byte_timeout' ? `GET http://a.test/${name}` : `CONNECT ${name}.test:443`;
          const { text } = await converse(rig.port, rig.head(line, ['Connection: close']));
          expectTold(text, cause, octets);
        }),
      ),
    );
  });

  test.each([
    ['a head, in a plain request', 'GET http://a.test/', `${OK}${'a'.repeat(500)}`, 'first_byte_timeout'],
    ['a head, in a CONNECT', 'CONNECT a.test:443', `${OK}${'a'.repeat(500)}`, 'upstream_reply_timeout'],
  ] as const)('U26 an octet now and then of %s does not put its deadline off', async (_, line, octets, cause) => {
    upstream.behave(dribbling(octets, TIMEOUT_MS / 4));
    const { text } = await converse(rig.port, rig.head(line, ['Connection: close']));
    expectTold(text, cause, 'dribbled');
  });

  test('U26 a body that stops is cut: idle_timeout, and the client sees a reset', async () => {
    const octets = Buffer.from(`${OK}Content-Length: 9\r\n\r\nhalf`);
    const line = `GET http://a.test/${upstream.name({ octets })}`;
    const client = await converse(rig.port, rig.head(line));
    await eventually('the client sees a reset', () => client.failed);
    expect(client.text).toMatch(/\r\n\r\nhalf$/);
    expect(rig.counted('idle_timeout')).toBe(1);
  });
});
