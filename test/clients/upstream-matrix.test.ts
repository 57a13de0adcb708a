/**
 * Real upstreams × the schemes that each speaks × credentials × how the target is named ×
 * plain requests and tunnels: whether the target is reached, and if not, what the gateway
 * says the reason was. What a machine lacks is skipped by name.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CAUSES, type Cause } from '../../src/core/cause.ts';
import type { Scheme } from '../../src/core/model.ts';
import { type Credential, makeAuthority, makeCredential } from '../helpers/certificates.ts';
import { startProxyChain } from '../helpers/credentialed-upstream.ts';
import { hasDante, startDante } from '../helpers/dante.ts';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import { hasHaproxy, startHaproxy, startTlsFront } from '../helpers/haproxy.ts';
import { hasMicrosocks, startMicrosocks } from '../helpers/microsocks.ts';
import { hasOpenssh, startOpenssh } from '../helpers/openssh.ts';
import { hasOwnUsers } from '../helpers/own-users.ts';
import { hasSquid, startSquid } from '../helpers/squid.ts';
import { startTarget, type Target } from '../helpers/target.ts';
import { hasTinyproxy, startTinyproxy } from '../helpers/tinyproxy.ts';
import { converse, RawClient, startRecordingUpstream } from '../helpers/wire.ts';

const RIGHT = { username: 'matrix-user', password: 'Matrix-Canary-51c8' };
const ACCOUNTS = new Map([[RIGHT.username, RIGHT.password]]);
const NOBODY = new Map<string, string>();

/** What the session has, and whether the upstream asks for it. */
const CREDENTIALS = {
  right: { asked: true, session: RIGHT },
  wrong: { asked: true, session: { ...RIGHT, password: 'not-the-password' } },
  none: { asked: true, session: { username: null, password: null } },
  'none, which are not asked for': { asked: false, session: { username: null, password: null } },
  'some, which are not asked for': { asked: false, session: RIGHT },
} as const;
type Credentials = keyof typeof CREDENTIALS;
const ALL_CREDENTIALS = Object.keys(CREDENTIALS) as Credentials[];

const TARGETS = { IPv4: '127.0.0.1', IPv6: '[::1]', 'a name': 'localhost' } as const;
type Named = keyof typeof TARGETS;
const KINDS = ['plain', 'CONNECT'] as const;

interface Case {
  readonly scheme: Scheme;
  readonly credentials: Credentials;
  readonly target: Named;
  readonly kind: (typeof KINDS)[number];
}

/** What a case comes to: a cause, or the status of an answer that is relayed (200: the target's own). */
type Outcome = Cause | number;

interface Upstream {
  readonly name: string;
  readonly here: boolean;
  readonly schemes: readonly Scheme[];
  /** What it can be tried with, where that is not all; `lacking` says what this machine has not. */
  readonly credentials?: readonly Credentials[];
  readonly lacking?: string;
  readonly start: (asked: boolean) => Promise<{ readonly port: number; close(): Promise<void> }>;
  /** What a tunnel to a target that refuses comes to, where it is not `target_unreachable`. */
  readonly unreachable?: Cause;
  /** Where it is not what any upstream of its scheme does. */
  readonly differs?: (one: Case) => Outcome | undefined;
}

const isSocks4 = (scheme: Scheme): boolean => scheme === 'socks4' || scheme === 'socks4a';
const accounts = (asked: boolean): ReadonlyMap<string, string> => (asked ? ACCOUNTS : NOBODY);

const UPSTREAMS: readonly Upstream[] = [
  {
    name: 'proxy-chain',
    here: true,
    schemes: ['http'],
    start: (asked) => startProxyChain(accounts(asked)),
    // It closes without a word.
    unreachable: 'upstream_reset',
  },
  { name: 'squid', here: hasSquid, schemes: ['http'], start: (asked) => startSquid(accounts(asked)) },
  {
    name: 'tinyproxy',
    here: hasTinyproxy,
    schemes: ['http'],
    start: (asked) => startTinyproxy(accounts(asked)),
    // It refuses wrong ones with 401, which in answer to a plain request may be the target's.
    differs: ({ credentials, kind }) => (kind === 'plain' && credentials === 'wrong' ? 401 : undefined),
  },
  {
    name: 'haproxy',
    here: hasHaproxy,
    schemes: ['http'],
    start: (asked) => startHaproxy(accounts(asked)),
    differs: ({ credentials, kind, target }) => {
      if (credentials === 'wrong' || credentials === 'none') return undefined;
      if (kind === 'CONNECT') return 'upstream_denied_target';
      return target === 'IPv4' ? undefined : 403;
    },
  },
  {
    name: 'dante',
    here: hasDante,
    schemes: ['socks4', 'socks4a', 'socks5', 'socks5h'],
    ...(hasOwnUsers
      ? {}
      : {
          credentials: ALL_CREDENTIALS.filter((credentials) => credentials !== 'right'),
          lacking: 'nss_wrapper, to give Dante users whose passwords are known, is not installed',
        }),
    start: (asked) => startDante(accounts(asked), FORBIDDEN_PORT),
    // It takes the address 0.0.0.1 of SOCKS 4A for an address; and SOCKS 4 has one code for all refusals.
    differs: ({ scheme, credentials, target }) => {
      if (isSocks4(scheme) && target !== 'IPv6' && CREDENTIALS[credentials].asked) return 'target_unreachable';
      return scheme === 'socks4a' && target === 'a name' ? 'target_unreachable' : undefined;
    },
  },
  {
    name: 'microsocks',
    here: hasMicrosocks,
    schemes: ['socks5', 'socks5h'],
    start: (asked) => startMicrosocks(asked ? [RIGHT.username, RIGHT.password] : null),
  },
  {
    name: 'openssh with dropbear and nss_wrapper',
    here: hasOpenssh,
    schemes: ['socks4', 'socks4a', 'socks5', 'socks5h'],
    credentials: ALL_CREDENTIALS.filter((credentials) => !CREDENTIALS[credentials].asked),
    start: startOpenssh,
    // It closes without a word, also when it is offered no method that it has.
    unreachable: 'upstream_reset',
    differs: ({ scheme, credentials }) =>
      !isSocks4(scheme) && credentials === 'some, which are not asked for' ? 'upstream_reset' : undefined,
  },
];

/** What any upstream of a scheme does. */
function outcomeOf({ scheme, credentials, target }: Case): Outcome {
  if (isSocks4(scheme)) return target === 'IPv6' ? 'upstream_denied_target' : 200;
  if (credentials === 'wrong' || credentials === 'none') return 'upstream_auth_failed';
  // Who has credentials offers nothing else: `socks5-dial.ts`.
  return credentials === 'some, which are not asked for' && scheme.startsWith('socks5') ? 'upstream_auth_failed' : 200;
}

/** A port of targets that Dante's rules forbid; nothing need listen there. */
const FORBIDDEN_PORT = 9;

let rig: GatewayRig;
let certificate: Credential;
let targets: readonly Target[];

beforeAll(async () => {
  const authority = await makeAuthority('the authority of the matrix');
  certificate = await makeCredential({ issuer: authority, names: ['IP:127.0.0.1'], purpose: 'serverAuth' });
  rig = await startGatewayRig({ upstreamAuthorities: [authority.cert] });
  const first = await startTarget();
  // The same port at the other address of this machine.
  targets = [first, await startTarget(null, '::1', first.port)];
});
afterAll(async () => {
  await rig.close();
  for (const target of targets) await target.close();
});

/** Sends one request; answers the status line's number and reason, and the whole text. */
async function ask(kind: Case['kind'], authority: string, path: string): Promise<{ outcome: string; text: string }> {
  if (kind === 'plain') {
    const { text } = await converse(
      rig.port,
      rig.head(`GET http://${authority}${path}`, ['Connection: close']),
      20_000,
    );
    return { outcome: text.slice(9, text.indexOf('\r\n')), text };
  }
  const client = await RawClient.connect(rig.port);
  await client.send(rig.head(`CONNECT ${authority}`)).until((c) => c.text.includes('\r\n\r\n'), 20_000);
  const { text } = client;
  if (text.startsWith('HTTP/1.1 200 ')) {
    client.text = '';
    await client.send(`GET ${path} HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`).untilEnd();
  }
  const answer = client.text;
  client.close();
  return { outcome: text.slice(9, text.indexOf('\r\n')), text: answer };
}

function expectOutcome(
  { outcome, text }: { outcome: string; text: string },
  expected: Outcome,
  path: string,
  asked: boolean,
): void {
  const seen = targets.flatMap((target) => target.seen).filter((request) => request.startsWith(`GET ${path}\n`));
  if (typeof expected === 'string') expect(outcome).toBe(`${CAUSES[expected].status} ${expected}`);
  else expect(outcome).toMatch(new RegExp(`^${expected} `));
  expect(seen).toHaveLength(expected === 200 ? 1 : 0);
  if (expected !== 200) return;
  expect(text).toMatch(new RegExp(`hello ${path}\n`));
  expect(seen[0]).not.toMatch(/sallyport|sp_live_/i);
  expect(seen[0]).not.toContain(rig.authorization());
  // Some that ask for no credentials (tinyproxy) pass on what they are given: whoever configures them has that in hand.
  if (asked) expect(seen[0]).not.toMatch(/proxy-authorization/i);
}

/** The upstream, and for each scheme the port at which it speaks it. */
async function startAll({ schemes, start }: Upstream, asked: boolean) {
  const upstream = await start(asked);
  const isHttp = schemes.includes('http');
  const front = isHttp && hasHaproxy ? await startTlsFront(upstream.port, certificate) : null;
  return {
    port: (scheme: Scheme): number => (scheme === 'https' ? front!.port : upstream.port),
    async close() {
      await front?.close();
      await upstream.close();
    },
  };
}

for (const upstream of UPSTREAMS) {
  const { name, here } = upstream;
  describe.skipIf(!here)(here ? name : `${name} is not installed: skipped`, () => {
    /** One that asks for credentials and one that does not, so far as it has both. */
    const started = new Map<boolean, Awaited<ReturnType<typeof startAll>>>();
    const given = upstream.credentials ?? ALL_CREDENTIALS;
    beforeAll(async () => {
      for (const asked of new Set(given.map((credentials) => CREDENTIALS[credentials].asked))) {
        started.set(asked, await startAll(upstream, asked));
      }
    });
    afterAll(async () => {
      for (const one of started.values()) await one.close();
    });
    if (upstream.lacking !== undefined) test.skip(`${upstream.lacking}: skipped`);

    function put(scheme: Scheme, credentials: Credentials): void {
      const { asked, session } = CREDENTIALS[credentials];
      const port = started.get(asked)!.port(scheme);
      rig.put(1, 1, { endpoint: { scheme, host: '127.0.0.1', port }, ...session });
    }

    const schemes: readonly Scheme[] = upstream.schemes.includes('http') ? ['http', 'https'] : upstream.schemes;
    describe.each(schemes)('%s', (scheme) => {
      const skipped = scheme === 'https' && !hasHaproxy;
      if (skipped) test.skip('HAProxy is not installed to speak TLS in front of it: skipped');
      test.each(
        (skipped ? [] : given).flatMap((credentials) =>
          KINDS.flatMap((kind) =>
            (Object.keys(TARGETS) as Named[]).map((target) => [credentials, kind, target] as const),
          ),
        ),
      )('credentials: %s; %s, to %s', async (credentials, kind, target) => {
        const one: Case = { scheme, credentials, kind, target };
        put(scheme, credentials);
        const path = `/${[name, scheme, credentials, kind, target].join('/').replaceAll(/[ ,]+/g, '-')}`;
        const answer = await ask(kind, `${TARGETS[target]}:${targets[0]!.port}`, path);
        expectOutcome(answer, upstream.differs?.(one) ?? outcomeOf(one), path, CREDENTIALS[credentials].asked);
      });

      const unreachable = upstream.unreachable ?? 'target_unreachable';
      const refusing = async (): Promise<void> => {
        const gone = await startRecordingUpstream();
        await gone.close();
        put(scheme, 'none, which are not asked for');
        for (const kind of scheme.startsWith('socks') ? KINDS : (['CONNECT'] as const)) {
          expect((await ask(kind, `127.0.0.1:${gone.port}`, '/')).outcome).toBe(`502 ${unreachable}`);
        }
      };
      // HAProxy ends no tunnel, wherever it leads.
      if (!skipped && name !== 'haproxy') test(`a target that refuses is ${unreachable}`, refusing);

      const forbidden = async (): Promise<void> => {
        put(scheme, 'none, which are not asked for');
        const cause = isSocks4(scheme) ? 'target_unreachable' : 'upstream_denied_target';
        for (const kind of KINDS) {
          expect((await ask(kind, `127.0.0.1:${FORBIDDEN_PORT}`, '/')).outcome).toBe(`502 ${cause}`);
        }
      };
      if (name === 'dante') test('a target that its rules forbid is told apart where SOCKS can', forbidden);
    });
  });
}
