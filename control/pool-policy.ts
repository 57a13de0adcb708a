/**
 * The policies of a pool: their defaults, how a request fills them in, and how
 * they are stored (the JSON of a Pool that holds nothing else).
 *
 *   request's policy messages, or the stored ones ── defaults into what is left out ── canonical entries ── JSON
 *
 * Invariant: a stored policy is whole and valid, and equal policies are equal text,
 * so that an update which changes nothing can be told by comparing.
 */
import { clone, create, fromJsonString, toJsonString } from '@bufbuild/protobuf';
import { type Duration, durationMs } from '@bufbuild/protobuf/wkt';
import { formatDestination, parseDestination } from '../src/core/destinations.ts';
import { type OnRevokeName, OPEN_POLICY, type PoolPolicyState, type SelectionName } from '../src/core/model.ts';
import { type FieldViolation, malformed } from './domain-error.ts';
import {
  type AutoRotation,
  AutoRotationSchema,
  DestinationsSchema,
  FailoverSchema,
  HealthPolicySchema,
  OnRevoke,
  type Pool,
  PoolLimitsSchema,
  PoolSchema,
  Selection,
  StickinessMode,
  StickinessSchema,
} from './gen/proxies/v1/proxies_pb.ts';
import { filledProbe, gatewayProbe, probeContradictions } from './probe-policy.ts';

/** The fields of a Pool that are policy. */
export const POLICY_FIELDS = [
  'selection',
  'stickiness',
  'failover',
  'autoRotation',
  'health',
  'destinations',
  'limits',
  'onRevoke',
  'quiet',
  'via',
] as const satisfies (keyof Pool)[];

/** What a request asks for; what is absent is not asked for. */
export type PolicyRequest = { readonly [F in (typeof POLICY_FIELDS)[number]]?: Pool[F] | undefined };

const seconds = (count: number) => ({ seconds: BigInt(count) });

/** The policies of `asked` with every default, in a Pool that holds nothing else. */
function filled(asked: PolicyRequest): Pool {
  const { stickiness, failover, autoRotation, health, destinations, limits } = asked;
  return create(PoolSchema, {
    selection: asked.selection || Selection.ROUND_ROBIN,
    stickiness: create(StickinessSchema, {
      mode: stickiness?.mode || StickinessMode.SOFT,
      idleTtl: stickiness?.idleTtl ?? seconds(600),
      maxTtl: stickiness?.maxTtl ?? seconds(86_400),
    }),
    failover: create(FailoverSchema, {
      maxAttempts: failover?.maxAttempts ?? 3,
      deadline: failover?.deadline ?? seconds(30),
    }),
    autoRotation: autoRotationOf(autoRotation),
    health: create(HealthPolicySchema, {
      failuresToEject: health?.failuresToEject ?? 3,
      baseEjection: health?.baseEjection ?? seconds(30),
      maxEjection: health?.maxEjection ?? seconds(600),
      maxEjectedPercent: health?.maxEjectedPercent ?? 50,
      ...(health?.probe !== undefined && { probe: filledProbe(health.probe) }),
    }),
    destinations: create(DestinationsSchema, {
      allow: (destinations?.allow ?? []).map(canonicalEntry),
      deny: (destinations?.deny ?? []).map(canonicalEntry),
      connectPorts: destinations?.connectPorts ?? [],
    }),
    limits: limits === undefined ? create(PoolLimitsSchema) : clone(PoolLimitsSchema, limits),
    onRevoke: asked.onRevoke || OnRevoke.CUT,
    ...(asked.quiet === true && { quiet: true }),
    ...(asked.via === true && { via: true }),
  });
}

function autoRotationOf(asked: AutoRotation | undefined): AutoRotation {
  const rotation = create(AutoRotationSchema, { onUnhealthy: asked?.onUnhealthy ?? true });
  if (asked?.maxAge !== undefined) rotation.maxAge = asked.maxAge;
  return rotation;
}

/** An entry that passed the rules, in the one spelling of what it means. */
function canonicalEntry(entry: string): string {
  const rule = parseDestination(entry);
  if (typeof rule === 'string') throw malformed([{ field: 'destinations', description: rule }]);
  return formatDestination(rule);
}

/** A policy with every default, as stored: what a pool has whose creator names none. */
export function defaultPolicy(): string {
  return toJsonString(PoolSchema, filled({}));
}

/** The policies of a stored pool as a Pool message without the rest. */
export function policyMessage(policy: string): Pool {
  // Filled in again: a policy stored by an earlier release lacks what came later.
  return filled(fromJsonString(PoolSchema, policy));
}

const SELECTIONS: Readonly<Record<number, SelectionName>> = {
  [Selection.ROUND_ROBIN]: 'round_robin',
  [Selection.RANDOM]: 'random',
  [Selection.LEAST_CONNECTIONS]: 'least_connections',
  [Selection.LEAST_RECENTLY_USED]: 'least_recently_used',
  [Selection.FASTEST]: 'fastest',
};

const ON_REVOKE: Readonly<Record<number, OnRevokeName>> = {
  [OnRevoke.CUT]: 'cut',
  [OnRevoke.DRAIN]: 'drain',
  [OnRevoke.KEEP]: 'keep',
};

/** What the gateway must know of a stored policy. */
export function gatewayPolicy(policy: string): PoolPolicyState {
  return stateOf(policyMessage(policy));
}

function stateOf(pool: Pool): PoolPolicyState {
  const { stickiness, failover, autoRotation, health, destinations, limits, quiet, via } = pool;
  const defaults = OPEN_POLICY;
  const ms = (span: Duration | undefined, otherwise: number) => (span === undefined ? otherwise : durationMs(span));
  return {
    selection: SELECTIONS[pool.selection] ?? defaults.selection,
    strict: stickiness?.mode === StickinessMode.STRICT,
    stickyIdleMs: ms(stickiness?.idleTtl, defaults.stickyIdleMs),
    stickyMaxMs: ms(stickiness?.maxTtl, defaults.stickyMaxMs),
    maxAttempts: failover?.maxAttempts ?? defaults.maxAttempts,
    failoverDeadlineMs: ms(failover?.deadline, defaults.failoverDeadlineMs),
    rotateUnhealthy: autoRotation?.onUnhealthy ?? defaults.rotateUnhealthy,
    rotateAgeMs: autoRotation?.maxAge === undefined ? null : durationMs(autoRotation.maxAge),
    failuresToEject: health?.failuresToEject ?? defaults.failuresToEject,
    baseEjectionMs: ms(health?.baseEjection, defaults.baseEjectionMs),
    maxEjectionMs: ms(health?.maxEjection, defaults.maxEjectionMs),
    maxEjectedPercent: health?.maxEjectedPercent ?? defaults.maxEjectedPercent,
    probe: gatewayProbe(health?.probe),
    onRevoke: ON_REVOKE[pool.onRevoke] ?? defaults.onRevoke,
    allow: destinations?.allow ?? [],
    deny: destinations?.deny ?? [],
    connectPorts: destinations?.connectPorts ?? [],
    maxTunnelsPerSession: limits?.maxTunnelsPerSession ?? 0,
    maxPendingDialsPerSession: limits?.maxPendingDialsPerSession ?? 0,
    quiet: quiet ?? false,
    via: via ?? false,
  };
}

/**
 * The policy, as stored, that a request asks for on top of `stored` (null for a new pool): each field it has replaces
 * that policy as a whole. Throws `invalid_argument` for policies whose fields contradict each other.
 */
export function policyOf(request: PolicyRequest, stored: string | null): string {
  const before: PolicyRequest = stored === null ? {} : policyMessage(stored);
  const asked = POLICY_FIELDS.filter((field) => request[field] !== undefined);
  const policy = filled({ ...before, ...Object.fromEntries(asked.map((field) => [field, request[field]])) });
  const found = contradictionsIn(policy);
  if (found.length > 0) throw malformed(found);
  return toJsonString(PoolSchema, policy);
}

function contradictionsIn(policy: Pool): FieldViolation[] {
  const { stickiness, health } = policy;
  const found = probeContradictions(stateOf(policy));
  // Defaults count: who raises only one of the two is told of the other.
  if (isLonger(stickiness?.idleTtl, stickiness?.maxTtl)) {
    found.push({ field: 'stickiness.idleTtl', description: 'must be at most maxTtl, which is 24h by default' });
  }
  if (isLonger(health?.baseEjection, health?.maxEjection)) {
    found.push({ field: 'health.baseEjection', description: 'must be at most maxEjection, which is 10m by default' });
  }
  return found;
}

function isLonger(a: Duration | undefined, b: Duration | undefined): boolean {
  return a !== undefined && b !== undefined && durationMs(a) > durationMs(b);
}
