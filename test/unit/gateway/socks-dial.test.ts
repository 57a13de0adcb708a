/** The handshakes with SOCKS upstreams, octet by octet: what they say, and that no answer and no split of it upsets them. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { GatewayContext } from '../../../gateway/context.ts';
import { type Handshake, startHandshake } from '../../../gateway/handshake.ts';
import { CAUSES, type Cause } from '../../../src/core/cause.ts';
import { OPEN_POLICY, type Route, type Scheme } from '../../../src/core/model.ts';
import { compileTargetPolicy } from '../../../src/core/target-policy.ts';
import { full } from '../../helpers/full.ts';
import { sessionId } from '../../helpers/gateway-rig.ts';

type Answer = readonly { readonly address: string; readonly family: 4 | 6 }[] | Cause;
const NAMES: Readonly<Record<string, Answer>> = {
  'both.test': [
    { address: '2001:db8::7', family: 6 },
    { address: '203.0.113.7', family: 4 },
  ],
  'six.test': [{ address: '2001:db8::7', family: 6 }],
  'none.test': 'upstream_dns',
  'busy.test': 'overloaded',
  'denied.test': [
    { address: '203.0.113.7', family: 4 },
    { address: '198.51.100.1', family: 4 },
  ],
  'ours.test': [{ address: '127.0.0.9', family: 4 }],
};

const pool = { targets: compileTargetPolicy({ ...OPEN_POLICY, deny: ['198.51.100.0/24'] }) };
const context = {
  directory: { findPoolById: () => pool },
  ownAddresses: { isOwn: (host: string, port: number) => host === '127.0.0.9' && port === 3128 },
  resolver: { resolve: (host: string, done: (answer: Answer) => void) => done(NAMES[host]!) },
} as unknown as GatewayContext;

interface Talk {
  readonly sent: string[];
  readonly failed: Cause[];
  readonly handshake: Handshake;
  /** Passes octets of the upstream on, in pieces; the verdict, null when there is none. */
  hear(...pieces: readonly Buffer[]): 'open' | Cause | null;
  /** What came behind the verdict: the first octets of the tunnel. */
  behind(): string;
}

function start(
  scheme: Scheme,
  host: string,
  credentials: Route['credentials'] = { username: 'u', password: 'pw' },
  port = 443,
): Talk {
  const route = { scheme, credentials, sessionId: sessionId(1) } as Route;
  const handshake = startHandshake(context, route, { host, port });
  const sent: string[] = [];
  const failed: Cause[] = [];
  handshake.begin({ send: (octets) => void sent.push(octets), fail: (cause) => void failed.push(cause) });
  let unread: readonly Buffer[] = [];
  return {
    sent,
    failed,
    handshake,
    hear(...pieces) {
      for (const [i, piece] of pieces.entries()) {
        const verdict = piece.length === 0 ? null : handshake.read(piece);
        unread = pieces.slice(i + 1);
        if (verdict !== null) return verdict;
      }
      return null;
    },
    behind: () => Buffer.concat([handshake.rest ?? Buffer.of(), ...unread]).toString(),
  };
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const shown = (sent: readonly string[]): string[] => sent.map((text) => Buffer.from(text, 'latin1').toString('hex'));
const bare = (text: string): string => text.replaceAll(' ', '');
const name = (text: string): string => Buffer.from(text).toString('hex');

describe('SOCKS5 says', () => {
  test.each([
    ['a name', 'socks5h', 'both.test', `03 09 ${name('both.test')}`],
    ['a name that we look up, by its IPv4 address', 'socks5', 'both.test', '01 cb007107'],
    ['a name with IPv6 alone', 'socks5', 'six.test', '04 20010db8000000000000000000000007'],
    ['an IPv4 address', 'socks5h', '192.0.2.1', '01 c0000201'],
    ['an IPv6 address', 'socks5', '2001:db8::1', '04 20010db8000000000000000000000001'],
    ['IPv4 inside IPv6 as IPv4', 'socks5h', '::ffff:c000:201', '01 c0000201'],
  ] as const)('%s', (_, scheme, host, address) => {
    const talk = start(scheme, host, null, 0x1234);
    expect(shown(talk.sent)).toEqual(['050100']);
    expect(talk.hear(hex('05 00'))).toBeNull();
    expect(shown(talk.sent).slice(1)).toEqual([bare(`05 01 00 ${address} 1234`)]);
  });

  test('who it is before where to, and offers nothing else', () => {
    const talk = start('socks5h', 'a.test');
    expect(shown(talk.sent)).toEqual(['050102']);
    talk.hear(hex('05 02'));
    expect(shown(talk.sent)[1]).toBe(bare('01 01 75 02 7077'));
    talk.hear(hex('01 00'));
    expect(shown(talk.sent)[2]).toBe(bare(`05 01 00 03 06 ${name('a.test')} 01bb`));
  });

  test('usernames and passwords of up to 255 octets, and none that is longer', () => {
    const longest = 'x'.repeat(255);
    const talk = start('socks5h', 'a.test', { username: longest, password: '' });
    talk.hear(hex('05 02'));
    expect(talk.sent[1]).toBe(`\x01\xff${longest}\0`);
    for (const credentials of [
      { username: `${longest}x`, password: '' },
      { username: '', password: `${longest}x` },
    ]) {
      const refused = start('socks5h', 'a.test', credentials);
      expect([refused.sent, refused.failed]).toEqual([[], ['upstream_auth_failed']]);
    }
  });
});

describe('SOCKS4 says', () => {
  test.each([
    ['an IPv4 address', 'socks4', '192.0.2.1', 'c0000201 7500'],
    ['a name that we look up', 'socks4', 'both.test', 'cb007107 7500'],
    ['a name, behind the user id', 'socks4a', 'a.test', `00000001 7500 ${name('a.test')} 00`],
    ['an IPv4 address where names go as well', 'socks4a', '192.0.2.1', 'c0000201 7500'],
  ] as const)('%s', (_, scheme, host, rest) => {
    expect(shown(start(scheme, host).sent)).toEqual([bare(`04 01 01bb ${rest}`)]);
  });

  test('an empty user id without credentials', () => {
    expect(shown(start('socks4', '192.0.2.1', null).sent)).toEqual([bare('04 01 01bb c0000201 00')]);
  });

  test('no user id that would end early', () => {
    const talk = start('socks4a', 'a.test', { username: 'u\0evil.test', password: '' });
    expect([talk.sent, talk.failed]).toEqual([[], ['upstream_auth_failed']]);
  });
});

describe('nothing is sent for a target', () => {
  test.each([
    ['that has no address', 'socks5', 'none.test', 'target_unreachable'],
    ['that has no address, SOCKS4', 'socks4', 'none.test', 'target_unreachable'],
    ['that cannot be looked up now', 'socks5', 'busy.test', 'overloaded'],
    ['that SOCKS4 cannot say: IPv6', 'socks4', '2001:db8::1', 'upstream_denied_target'],
    ['that SOCKS4a cannot say: IPv6', 'socks4a', '2001:db8::1', 'upstream_denied_target'],
    ['that SOCKS4 cannot say: a name with IPv6 alone', 'socks4', 'six.test', 'upstream_denied_target'],
    ['that would promise a name that does not follow', 'socks4', '0.0.0.1', 'upstream_denied_target'],
    ['that would promise one in SOCKS4a', 'socks4a', '0.0.0.9', 'upstream_denied_target'],
    [
      'whose name leads to an address that the pool denies, among others',
      'socks5',
      'denied.test',
      'destination_denied',
    ],
    ['whose name leads to ourselves', 'socks5', 'ours.test', 'loop_detected'],
  ] as const)('%s', (_, scheme, host, cause) => {
    const talk = start(scheme, host, undefined, 3_128);
    expect([talk.sent, talk.failed]).toEqual([[], [cause]]);
  });
});

/** Whole answers of upstreams, from the first octet to the last, with what they mean. */
const ANSWERS: readonly (readonly [what: string, scheme: Scheme, octets: string, verdict: 'open' | Cause | null])[] = [
  ['consent, bound to IPv4', 'socks5', '0502 0100 050000 01 7f000001 0050', 'open'],
  ['consent, bound to IPv6', 'socks5', '0502 0100 050000 04 00000000000000000000000000000001 0050', 'open'],
  ['consent, bound to a name', 'socks5', `0502 0100 050000 03 03 ${name('a.b')} 0050`, 'open'],
  ['consent, bound to an empty name', 'socks5', '0502 0100 050000 03 00 0050', 'open'],
  ['consent, bound to the longest name', 'socks5', `0502 0100 050000 03 ff ${'61'.repeat(255)} 0050`, 'open'],
  ['consent and data of the target', 'socks5', `0502 0100 050000 01 7f000001 0050 ${name('SSH-2.0')}`, 'open'],
  ['no acceptable method', 'socks5', '05ff', 'upstream_auth_failed'],
  ['a method that was not offered', 'socks5', '0500', 'upstream_protocol'],
  ['GSSAPI', 'socks5', '0501', 'upstream_protocol'],
  ['wrong credentials', 'socks5', '0502 0101', 'upstream_auth_failed'],
  ['wrong credentials, said otherwise', 'socks5', '0502 01ff', 'upstream_auth_failed'],
  ['a status of another version', 'socks5', '0502 0500', 'upstream_protocol'],
  ['general failure', 'socks5', '0502 0100 0501 0001 00000000 0000', 'target_unreachable'],
  ['not allowed by ruleset', 'socks5', '0502 0100 0502 0001 00000000 0000', 'upstream_denied_target'],
  ['network unreachable', 'socks5', '0502 0100 0503 0001 00000000 0000', 'target_unreachable'],
  ['host unreachable', 'socks5', '0502 0100 0504 0001 00000000 0000', 'target_unreachable'],
  ['connection refused', 'socks5', '0502 0100 0505 0001 00000000 0000', 'target_unreachable'],
  ['TTL expired', 'socks5', '0502 0100 0506 0001 00000000 0000', 'target_unreachable'],
  ['command not supported', 'socks5', '0502 0100 0507 0001 00000000 0000', 'upstream_protocol'],
  ['address type not supported', 'socks5', '0502 0100 0508 0001 00000000 0000', 'upstream_protocol'],
  ['an unassigned reply', 'socks5', '0502 0100 05ff', 'upstream_protocol'],
  ['a refusal without an address', 'socks5', '0502 0100 0505', 'target_unreachable'],
  ['a reserved octet that is not zero', 'socks5', '0502 0100 050001', 'upstream_protocol'],
  ['no type of address', 'socks5', '0502 0100 050000 02', 'upstream_protocol'],
  ['half a name', 'socks5', '0502 0100 050000 03 03 61', null],
  ['nothing behind the method', 'socks5', '0502', null],
  ['a reply of SOCKS4', 'socks5', '005a 0000 00000000', 'upstream_protocol'],
  ['HTTP', 'socks5', name('HTTP/1.1 400 Bad Request\r\n\r\n'), 'upstream_protocol'],
  ['consent', 'socks4', '005a 0050 7f000001', 'open'],
  ['consent and data of the target', 'socks4a', `005a 0000 00000000 ${name('SSH-2.0')}`, 'open'],
  ['rejected or failed', 'socks4', '005b 0000 00000000', 'target_unreachable'],
  ['no identd', 'socks4', '005c 0000 00000000', 'upstream_auth_failed'],
  ['another user', 'socks4', '005d 0000 00000000', 'upstream_auth_failed'],
  ['an unknown code', 'socks4', '0059 0000 00000000', 'upstream_protocol'],
  ['an answer of version 4', 'socks4', '045a 0000 00000000', 'upstream_protocol'],
  ['half a consent', 'socks4', '005a 0000', null],
  ['HTTP', 'socks4a', name('HTTP/1.1 400 Bad Request\r\n\r\n'), 'upstream_protocol'],
];

describe.each(ANSWERS)('%s (%s)', (_, scheme, text, verdict) => {
  const octets = hex(text);
  const surplus = text.endsWith(name('SSH-2.0')) ? 'SSH-2.0' : '';

  test('means the same at every split, and one octet at a time', () => {
    const splits = [...octets.keys()].map((at) => [octets.subarray(0, at), octets.subarray(at)]);
    for (const pieces of [[octets], ...splits, [...octets].map((octet) => Buffer.of(octet))]) {
      const talk = start(scheme, '192.0.2.1');
      expect(talk.hear(...pieces)).toBe(verdict);
      if (verdict === 'open') expect(talk.behind()).toBe(surplus);
    }
  });
});

test.each(['socks4', 'socks5'] as const)('%s: an upstream that speaks before it is asked is refused', (scheme) => {
  const handshake = startHandshake(
    { ...context, resolver: { resolve: () => undefined } } as unknown as GatewayContext,
    { scheme, credentials: null } as Route,
    { host: 'slow.test', port: 443 },
  );
  handshake.begin({ send: () => expect.unreachable(), fail: () => expect.unreachable() });
  expect(handshake.read(hex(scheme === 'socks4' ? '005a 0000 00000000' : '0500'))).toBe('upstream_protocol');
});

describe('noise', () => {
  const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 400 }), { maxLength: 12 });
  /** Most noise is refused at its first octet: some begins as an answer would. */
  const opening = fc.constantFrom(
    '',
    '05',
    '0502',
    '05020100',
    '0502010005',
    '050201000500',
    '05020100050000',
    '00',
    '005a',
  );

  test.each(['socks4', 'socks4a', 'socks5', 'socks5h'] as const)(
    '%s takes any without a throw, within bounds',
    (scheme) => {
      fc.assert(
        fc.property(opening, pieces, (begin, noise) => {
          const talk = start(scheme, '192.0.2.1');
          const all = [hex(begin), ...noise.map((piece) => Buffer.from(piece))].filter(({ length }) => length > 0);
          const verdict = talk.hear(...all);
          const heard = Buffer.concat(all);
          expect(verdict === null || verdict === 'open' || verdict in CAUSES).toBe(true);
          // It never asks for more than the longest answer has.
          if (verdict === null) expect(heard.length).toBeLessThan(2 + 2 + 262);
          expect(talk.sent.length).toBeLessThanOrEqual(3);
          expect(start(scheme, '192.0.2.1').hear(heard)).toBe(verdict);
        }),
        { numRuns: full ? 20_000 : 500 },
      );
    },
  );
});
