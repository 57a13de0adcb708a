/**
 * Responses that are cut (P8, U20, U21, U27): at every octet, by an end and by a reset. Before the
 * head is whole that is an answer of ours; behind it the client always sees that what it
 * got is not all: a reset, never a last chunk, never a clean end. What ends with the
 * connection is cut by a reset only, and shows as one.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import { inLanes, type ScriptedUpstream, startScriptedUpstream } from '../helpers/scripted-upstream.ts';
import { converse, eventually } from '../helpers/wire.ts';

const LANES = 16;
/** Of our heads to these clients. */
const LAST_LINE = '\r\nConnection: close\r\n\r\n';

let rig: GatewayRig;
let upstream: ScriptedUpstream;

beforeAll(async () => {
  rig = await startGatewayRig();
  upstream = await startScriptedUpstream();
  rig.put(1, upstream.port);
});
beforeEach(() => upstream.reset());
afterAll(async () => {
  await rig.close();
  await upstream.close();
});

interface Response {
  readonly name: string;
  readonly method?: 'HEAD';
  /** Minor version of the client's request: a client of 1.0 gets bare data, up to the end of the connection. */
  readonly minor?: 0;
  /** latin1 text: head and body. */
  readonly head: string;
  readonly body: string;
  /** An end where it would be cut is its end. */
  readonly endsItself?: true;
}

/** What the client gets of the body: all but extensions and trailers, and for a client of 1.0 no chunks either. */
function relayed({ body, minor }: Response): string {
  const plain = body.replace(/;a=b|X-Sum: 1\r\n|Y: 2\r\n/g, '');
  return minor === 0 ? plain.replace(/[0-9]\r\n|\r\n/g, '') : plain;
}

const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
const CHUNKS = '5\r\nhello\r\n1;a=b\r\n!\r\n0\r\n\r\n';
const TRAILERS = '5\r\nhello\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n';

const RESPONSES: readonly Response[] = [
  { name: 'a length', head: 'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n', body: 'hello, world' },
  { name: 'an error with a length', head: 'HTTP/1.1 500 x\r\nContent-Length: 12\r\n\r\n', body: 'hello, world' },
  { name: 'chunks', head: CHUNKED, body: CHUNKS },
  { name: 'chunks to a client of 1.0', minor: 0, head: CHUNKED, body: CHUNKS },
  { name: 'chunks with trailers', head: CHUNKED, body: TRAILERS },
  { name: 'chunks with trailers to a client of 1.0', minor: 0, head: CHUNKED, body: TRAILERS },
  { name: 'the end of the connection', head: 'HTTP/1.1 200 OK\r\n\r\n', body: 'hello, world', endsItself: true },
  { name: 'the end of a 1.0 connection', head: 'HTTP/1.0 200 OK\r\nA: b\r\n\r\n', body: 'hello', endsItself: true },
  { name: 'no body, to HEAD', method: 'HEAD', head: 'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n', body: '' },
  { name: 'no body, as 204', head: 'HTTP/1.1 204 x\r\nA: b\r\n\r\n', body: '' },
  { name: 'no body, as 304', head: 'HTTP/1.1 304 x\r\nContent-Length: 12\r\n\r\n', body: '' },
  {
    name: 'a length, behind an interim response',
    head: 'HTTP/1.1 103 x\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n',
    body: 'hello',
  },
];

interface Cut {
  readonly at: number;
  readonly ends: 'ends' | 'resets';
}

/** Every octet that is not the last, both ways; those ways alone that cut. */
function cutsOf({ head, body, endsItself }: Response): Cut[] {
  const length = head.length + body.length;
  const all = Array.from({ length: endsItself ? length + 1 : length }, (_, at) => at);
  return all.flatMap((at) => {
    const isCutByEnd = !endsItself || at < head.length;
    return isCutByEnd ? [{ at, ends: 'ends' } as const, { at, ends: 'resets' } as const] : [{ at, ends: 'resets' }];
  });
}

/** What the client sees of one cut: all that came, and whether its connection broke. */
async function seen(response: Response, { at, ends }: Cut) {
  const octets = Buffer.from(response.head + response.body, 'latin1').subarray(0, at);
  const line = `${response.method ?? 'GET'} http://a.test/${upstream.name({ octets, ends })}`;
  const head = rig.head(line, ['Connection: close']);
  const client = await converse(rig.port, response.minor === 0 ? head.replace('HTTP/1.1', 'HTTP/1.0') : head);
  return { text: client.text, failed: client.failed };
}

test.each(RESPONSES)('$name', async (response) => {
  const cuts = cutsOf(response);
  const answered = cuts.filter(({ at }) => at < response.head.length).length;
  const before = { reset: rig.counted('upstream_reset'), truncated: rig.counted('response_truncated') };
  await inLanes(cuts, LANES, async (cut) => {
    const { text, failed } = await seen(response, cut);
    const why = `${cut.ends} at ${cut.at}: ${JSON.stringify(text)}`;
    if (cut.at < response.head.length) {
      expect(text.replace(/^HTTP\/1\.1 103 [\s\S]*?\r\n\r\n/, ''), why).toMatch(/^HTTP\/1\.1 502 upstream_reset\r\n/);
      expect(failed, why).toBe(false);
      return;
    }
    expect(failed, why).toBe(true);
    expect(text, why).not.toMatch(/\r\n0\r\n\r\n$/);
    // A part of what it would get, and no word of ours behind it.
    const body = text.slice(text.lastIndexOf(LAST_LINE) + LAST_LINE.length);
    if (text !== '') expect(relayed(response).startsWith(body), why).toBe(true);
    expect(text.match(/HTTP\/1\.1 [2-5]/g)?.length ?? 0, why).toBeLessThan(2);
  });
  expect(rig.counted('upstream_reset') - before.reset).toBe(answered);
  expect(rig.counted('response_truncated') - before.truncated).toBe(cuts.length - answered);
  await eventually('nothing is under way', () => rig.gateway.holdings().inFlight === 0);
  expect(rig.gateway.holdings().idleUpstreams).toBe(0);
});

test.each(RESPONSES)('$name, whole: a clean end', async (response) => {
  const cut = { at: response.head.length + response.body.length, ends: 'ends' } as const;
  const { text, failed } = await seen(response, cut);
  expect(failed).toBe(false);
  expect(text.slice(text.lastIndexOf(LAST_LINE) + LAST_LINE.length)).toBe(relayed(response));
});

describe('chunks that are not what they say (U21)', () => {
  test.each([
    ...['0x5', '+5', '-5', '0_5', ' 5', '5 ', '5x', '', 'FFFFFFFFFFFFFFFFF', ';a=b'].map((size) => [
      `a size of ${JSON.stringify(size)}`,
      `${size}\r\nhello\r\n0\r\n\r\n`,
    ]),
    ['a size line ended by a bare LF', '5\nhello\r\n0\r\n\r\n'],
    ['data ended by a bare LF', '5\r\nhello\n0\r\n\r\n'],
    ['data ended by nothing', '5\r\nhello0\r\n\r\n'],
    ['data longer than its size', '5\r\nhelloXX\r\n0\r\n\r\n'],
    ['a last line ended by a bare LF', '5\r\nhello\r\n0\r\n\n'],
    ['a folded trailer', '5\r\nhello\r\n0\r\nA: b\r\n c\r\n\r\n'],
    ['NUL in a trailer', '5\r\nhello\r\n0\r\nA: \0\r\n\r\n'],
    ['extensions of 64 KiB', `5;${'x'.repeat(65_536)}\r\nhello\r\n0\r\n\r\n`],
    ['trailers of 40 KiB', `5\r\nhello\r\n0\r\nA: ${'x'.repeat(40_960)}\r\n\r\n`],
  ] as [string, string][])('%s: broken off', async (_, body) => {
    const before = rig.counted('response_truncated');
    const octets = Buffer.from(`${CHUNKED}2\r\nhi\r\n${body}`, 'latin1');
    const client = await converse(rig.port, rig.head(`GET http://a.test/${upstream.name({ octets })}`));
    await eventually('the client sees a reset', () => client.failed);
    expect(client.text).not.toMatch(/\r\n0\r\n\r\n$/);
    expect(rig.counted('response_truncated') - before).toBe(1);
    await eventually('its connection is over', () => upstream.connections.every(({ socket }) => socket.destroyed));
  });
});

test('a reset while we write a body to the upstream: 502, and no second answer (U27)', async () => {
  upstream.behave(({ socket, text }) => {
    if (text.length > 100_000) socket.resetAndDestroy();
  });
  const body = Buffer.alloc(8 << 20, 'x');
  const head = Buffer.from(rig.head('POST http://a.test/', [`Content-Length: ${body.length}`]));
  const client = await converse(rig.port, Buffer.concat([head, body]));
  expect(client.text).toMatch(/^HTTP\/1\.1 502 upstream_reset\r\n/);
  expect(client.text.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
  upstream.behave(upstream.scripted);
});
