/** The probe of a pool's health policy: its defaults, its bounds, what contradicts it, and what the gateway is told. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import {
  type ProbeKind,
  type ProbeSchema,
  UpdatePoolRequestSchema,
} from '../../../control/gen/proxies/v1/proxies_pb.ts';
import { defaultPolicy, gatewayPolicy, policyMessage, policyOf } from '../../../control/pool-policy.ts';
import { violationsOf } from '../../../control/request-rules.ts';
import { OPEN_POLICY } from '../../../src/core/model.ts';

const [TCP, HANDSHAKE, URL] = [1, 2, 3] as const;
type Init = MessageInitShape<typeof UpdatePoolRequestSchema>;
type Probe = MessageInitShape<typeof ProbeSchema>;

const ms = (milliseconds: number) => ({
  seconds: BigInt(Math.trunc(milliseconds / 1_000)),
  nanos: (milliseconds % 1_000) * 1_000_000,
});
const ids = { workspaceId: new Uint8Array(16), poolId: new Uint8Array(16) };
const asked = (init: Init) => create(UpdatePoolRequestSchema, init);
/** Destinations of the same request. */
type Rest = { destinations?: { allow?: string[]; deny?: string[]; connectPorts?: number[] } };
const probing = (probe: Probe, rest: Rest = {}) => asked({ ...rest, health: { probe } });
const told = (probe: Probe) => gatewayPolicy(policyOf(probing(probe), null)).probe;

describe('what the gateway is told', () => {
  test('nothing where none is asked for, and of what an earlier release stored', () => {
    expect(gatewayPolicy(defaultPolicy()).probe).toBeNull();
    const earlier = '{"health":{"failuresToEject":7,"baseEjection":"30s","maxEjection":"600s","maxEjectedPercent":50}}';
    expect(gatewayPolicy(earlier)).toEqual({ ...OPEN_POLICY, failuresToEject: 7 });
    expect(policyOf(asked({}), earlier)).not.toContain('probe');
  });

  test('the defaults of the times, and the target read', () => {
    const times = { intervalMs: 60_000, timeoutMs: 10_000 };
    expect(told({ kind: TCP })).toEqual({ kind: 'tcp', target: null, ...times });
    expect(told({ kind: HANDSHAKE, target: 'Example.com:443' })).toEqual({
      kind: 'handshake',
      target: { host: 'example.com', port: 443, secure: false, path: '' },
      ...times,
    });
    expect(told({ kind: URL, target: 'https://Example.com?x', interval: ms(5_000), timeout: ms(100) })).toEqual({
      kind: 'url',
      target: { host: 'example.com', port: 443, secure: true, path: '/?x' },
      intervalMs: 5_000,
      timeoutMs: 100,
    });
  });
});

test('equal probes are equal text; a health policy without one has none again', () => {
  const one = policyOf(probing({ kind: URL, target: 'HTTP://a.test' }), null);
  expect(policyOf(probing({ kind: URL, target: 'http://A.test:80/', interval: ms(60_000) }), null)).toBe(one);
  expect(policyMessage(one).health?.probe?.target).toBe('http://a.test/');
  expect(policyOf(asked({ quiet: false }), one)).toBe(one);
  expect(policyOf(asked({ health: {} }), one)).toBe(defaultPolicy());
});

/** The last value that passes and the first that does not, of each bound. */
test.each<[string, Probe, Probe]>([
  ['kind', { kind: URL }, { kind: 4 as ProbeKind }],
  ['kind', { kind: TCP }, { target: 'a.test:443' }],
  ['interval', { kind: TCP, interval: ms(5_000) }, { kind: TCP, interval: ms(4_999) }],
  ['interval', { kind: TCP, interval: ms(86_400_000) }, { kind: TCP, interval: ms(86_400_001) }],
  ['timeout', { kind: TCP, timeout: ms(100) }, { kind: TCP, timeout: ms(99) }],
  ['timeout', { kind: TCP, timeout: ms(60_000) }, { kind: TCP, timeout: ms(60_001) }],
])('%s has its bound: %#', (field, good, bad) => {
  const found = (probe: Probe) =>
    violationsOf(UpdatePoolRequestSchema, asked({ ...ids, health: { probe } })).map((violation) => violation.field);
  expect([found(good), found(bad)]).toEqual([[], [`health.probe.${field}`]]);
});

test.each<[string, Probe, Rest]>([
  ['target', { kind: TCP, target: 'a.test:443' }, {}],
  ['target', { kind: HANDSHAKE }, {}],
  ['target', { kind: HANDSHAKE, target: 'https://a.test/' }, {}],
  ['target', { kind: URL }, {}],
  ['target', { kind: URL, target: 'a.test:443' }, {}],
  ['target', { kind: URL, target: 'http://user@a.test/' }, {}],
  ['timeout', { kind: TCP, interval: ms(5_000), timeout: ms(5_001) }, {}],
  ['timeout', { kind: TCP, interval: ms(5_000) }, {}],
  ['target', { kind: HANDSHAKE, target: 'a.test:443' }, { destinations: { deny: ['.test'] } }],
  ['target', { kind: HANDSHAKE, target: 'a.test:443' }, { destinations: { allow: ['b.test'] } }],
  ['target', { kind: HANDSHAKE, target: 'a.test:22' }, { destinations: { connectPorts: [443] } }],
  ['target', { kind: URL, target: 'https://a.test:8443/' }, { destinations: { connectPorts: [443] } }],
  ['target', { kind: URL, target: 'http://10.0.0.1/' }, { destinations: { deny: ['10.0.0.0/8'] } }],
])('a %s that contradicts what else is asked is refused by name: %#', (field, probe, rest) => {
  expect(() => policyOf(probing(probe, rest), null)).toThrow(
    expect.objectContaining({
      kind: 'invalid_argument',
      violations: [expect.objectContaining({ field: `health.probe.${field}` })],
    }),
  );
});

test('destinations that come later may not refuse the target; ports bound what is a tunnel alone', () => {
  const plain = policyOf(probing({ kind: URL, target: 'http://a.test:8080/' }), null);
  expect(() => policyOf(asked({ destinations: { connectPorts: [443] } }), plain)).not.toThrow();
  expect(() => policyOf(asked({ destinations: { deny: [':8080'] } }), plain)).toThrow('health.probe.target');
  const tunnel = policyOf(probing({ kind: HANDSHAKE, target: 'a.test:8080' }), null);
  expect(() => policyOf(asked({ destinations: { connectPorts: [443] } }), tunnel)).toThrow('health.probe.target');
  // Together with the probe that they refuse, they may change.
  expect(() => policyOf(asked({ destinations: { connectPorts: [443] }, health: {} }), tunnel)).not.toThrow();
});
