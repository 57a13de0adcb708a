/** Policies of a pool: what is left out has its default, a message replaces a whole policy, bounds are named. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { durationMs } from '@bufbuild/protobuf/wkt';
import { expect, test } from 'vitest';
import {
  CreatePoolRequestSchema,
  OnRevoke,
  Selection,
  StickinessMode,
  UpdatePoolRequestSchema,
} from '../../../control/gen/proxies/v1/proxies_pb.ts';
import { defaultPolicy, policyMessage, policyOf } from '../../../control/pool-policy.ts';
import { violationsOf } from '../../../control/request-rules.ts';

type Init = MessageInitShape<typeof UpdatePoolRequestSchema>;
const asked = (init: Init) => create(UpdatePoolRequestSchema, init);
const ms = (milliseconds: number) => ({
  seconds: BigInt(Math.trunc(milliseconds / 1_000)),
  nanos: (milliseconds % 1_000) * 1_000_000,
});

test('the defaults are those of the specification', () => {
  const pool = policyMessage(defaultPolicy());
  expect(pool).toMatchObject({
    selection: Selection.ROUND_ROBIN,
    stickiness: { mode: StickinessMode.SOFT },
    failover: { maxAttempts: 3 },
    autoRotation: { onUnhealthy: true },
    health: { failuresToEject: 3, maxEjectedPercent: 50 },
    destinations: { allow: [], deny: [], connectPorts: [] },
    limits: { maxTunnelsPerSession: 0, maxPendingDialsPerSession: 0 },
    onRevoke: OnRevoke.CUT,
  });
  const { stickiness, failover, health, autoRotation } = pool;
  const spans = [
    stickiness?.idleTtl,
    stickiness?.maxTtl,
    failover?.deadline,
    health?.baseEjection,
    health?.maxEjection,
  ];
  expect(spans.map((span) => durationMs(span!) / 1_000)).toEqual([600, 86_400, 30, 30, 600]);
  expect(autoRotation?.maxAge).toBeUndefined();
});

test('a policy message replaces its policy and no other; what it leaves out goes back to its default', () => {
  const first = policyOf(
    asked({
      stickiness: { mode: StickinessMode.STRICT, idleTtl: ms(90_000) },
      health: { failuresToEject: 7, maxEjectedPercent: 0 },
      quiet: true,
    }),
    null,
  );
  expect(policyMessage(first).health?.maxEjectedPercent).toBe(0);
  const second = policyMessage(policyOf(asked({ stickiness: { idleTtl: ms(60_500) } }), first));
  expect(second.stickiness?.mode).toBe(StickinessMode.SOFT);
  expect(durationMs(second.stickiness!.idleTtl!)).toBe(60_500);
  expect(second.health?.failuresToEject).toBe(7);
  expect(second.quiet).toBe(true);
  const reset = policyOf(asked({ health: {}, stickiness: {}, quiet: false, selection: 0, onRevoke: 0 }), first);
  expect(reset).toBe(defaultPolicy());
});

test('equal policies are equal text, whatever spelling their entries had', () => {
  const one = policyOf(
    asked({ destinations: { allow: ['EXAMPLE.com.', '[2001:DB8::1]'], connectPorts: [443] } }),
    null,
  );
  const two = policyOf(asked({ destinations: { allow: ['example.com', '2001:db8:0::1'], connectPorts: [443] } }), null);
  expect(one).toBe(two);
  expect(policyMessage(one).destinations?.allow).toEqual(['example.com', '2001:db8::1']);
});

test('a policy stored by an earlier release has the defaults of what it did not know', () => {
  expect(policyOf(asked({}), '{"selection":"SELECTION_ROUND_ROBIN"}')).toBe(defaultPolicy());
});

test.each<[Init, string]>([
  [{ stickiness: { idleTtl: ms(7_200_000), maxTtl: ms(3_600_000) } }, 'stickiness.idleTtl'],
  [{ stickiness: { idleTtl: ms(86_401_000) } }, 'stickiness.idleTtl'],
  [{ health: { baseEjection: ms(601_000) } }, 'health.baseEjection'],
])('fields that contradict each other are refused: %#', (init, field) => {
  expect(violationsOf(UpdatePoolRequestSchema, asked({ ...ids, ...init }))).toEqual([]);
  expect(() => policyOf(asked(init), null)).toThrow(field);
});

const ids = { workspaceId: new Uint8Array(16), poolId: new Uint8Array(16) };
const entries = (count: number) => Array.from({ length: count }, (_, i) => `h${i}.test`);

/** The last value that passes and the first that does not, of each bound. */
test.each<[string, Init, Init]>([
  ['selection', { selection: Selection.FASTEST }, { selection: 6 as Selection }],
  ['stickiness.mode', { stickiness: { mode: 2 } }, { stickiness: { mode: 3 as StickinessMode } }],
  ['onRevoke', { onRevoke: OnRevoke.KEEP }, { onRevoke: 9 as OnRevoke }],
  ['stickiness.idleTtl', { stickiness: { idleTtl: ms(1_000) } }, { stickiness: { idleTtl: ms(999) } }],
  [
    'stickiness.maxTtl',
    { stickiness: { maxTtl: ms(365 * 86_400_000) } },
    { stickiness: { maxTtl: ms(365 * 86_400_000 + 1) } },
  ],
  ['failover.maxAttempts', { failover: { maxAttempts: 1 } }, { failover: { maxAttempts: 0 } }],
  ['failover.maxAttempts', { failover: { maxAttempts: 10 } }, { failover: { maxAttempts: 11 } }],
  ['failover.deadline', { failover: { deadline: ms(100) } }, { failover: { deadline: ms(99) } }],
  ['failover.deadline', { failover: { deadline: ms(600_000) } }, { failover: { deadline: ms(600_001) } }],
  ['autoRotation.maxAge', { autoRotation: { maxAge: ms(1_000) } }, { autoRotation: { maxAge: ms(0) } }],
  ['health.failuresToEject', { health: { failuresToEject: 1 } }, { health: { failuresToEject: 0 } }],
  ['health.failuresToEject', { health: { failuresToEject: 1_000 } }, { health: { failuresToEject: 1_001 } }],
  ['health.baseEjection', { health: { baseEjection: ms(1_000) } }, { health: { baseEjection: ms(-1_000) } }],
  ['health.maxEjection', { health: { maxEjection: ms(86_400_000) } }, { health: { maxEjection: ms(86_400_001) } }],
  ['health.maxEjectedPercent', { health: { maxEjectedPercent: 0 } }, { health: { maxEjectedPercent: -1 } }],
  ['health.maxEjectedPercent', { health: { maxEjectedPercent: 100 } }, { health: { maxEjectedPercent: 101 } }],
  ['destinations.allow', { destinations: { allow: entries(1_000) } }, { destinations: { allow: entries(1_001) } }],
  ['destinations.deny[1]', { destinations: { deny: ['a', 'b'] } }, { destinations: { deny: ['a', 'b c'] } }],
  ['destinations.deny[0]', { destinations: { deny: [':1'] } }, { destinations: { deny: [''] } }],
  [
    'destinations.connectPorts[0]',
    { destinations: { connectPorts: [65_535] } },
    { destinations: { connectPorts: [65_536] } },
  ],
  [
    'destinations.connectPorts',
    { destinations: { connectPorts: [80, 443] } },
    { destinations: { connectPorts: [80, 443, 80] } },
  ],
  [
    'destinations.connectPorts',
    { destinations: { connectPorts: entries(100).map((_, i) => i + 1) } },
    { destinations: { connectPorts: entries(101).map((_, i) => i + 1) } },
  ],
  ['limits.maxTunnelsPerSession', { limits: { maxTunnelsPerSession: 0 } }, { limits: { maxTunnelsPerSession: -1 } }],
  [
    'limits.maxPendingDialsPerSession',
    { limits: { maxPendingDialsPerSession: 1_000_000 } },
    { limits: { maxPendingDialsPerSession: 1_000_001 } },
  ],
  ['name', { name: 'a' }, { name: '' }],
  ['name', { name: 'us-proxies' }, { name: 'us-session-proxies' }],
  ['expectedVersion', { expectedVersion: 1n }, { expectedVersion: 0n }],
])('%s has its bound: %#', (field, good, bad) => {
  expect(violationsOf(UpdatePoolRequestSchema, asked({ ...ids, ...good }))).toEqual([]);
  expect(violationsOf(UpdatePoolRequestSchema, asked({ ...ids, ...bad })).map((found) => found.field)).toEqual([field]);
});

test('durations that JSON could not write are refused', () => {
  for (const duration of [
    { seconds: 5n, nanos: -1 },
    { seconds: 5n, nanos: 1_000_000_000 },
    { seconds: 5n, nanos: 1 },
  ]) {
    const found = violationsOf(UpdatePoolRequestSchema, asked({ ...ids, failover: { deadline: duration } }));
    expect(found.map(({ field }) => field)).toEqual(['failover.deadline']);
  }
});

test('create and update have the same rules for policies', () => {
  const bad = { failover: { maxAttempts: 11 }, limits: { maxTunnelsPerSession: -1 }, destinations: { deny: ['*'] } };
  const workspaceId = new Uint8Array(16);
  const created = violationsOf(
    CreatePoolRequestSchema,
    create(CreatePoolRequestSchema, { workspaceId, name: 'p', ...bad }),
  );
  expect(created).toEqual(violationsOf(UpdatePoolRequestSchema, asked({ ...ids, ...bad })));
  expect(created).toHaveLength(3);
});
