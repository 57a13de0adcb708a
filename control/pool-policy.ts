/**
 * The policies of a pool: their defaults, how a request fills them in, and how
 * they are stored (the JSON of a Pool that holds nothing else).
 *
 * Invariant: a stored policy is one that the gateway serves. What it does not
 * serve yet is refused when asked for, rather than accepted and not followed.
 */
import { create, fromJsonString, type MessageInitShape, toJson, toJsonString } from '@bufbuild/protobuf';
import { malformed } from './domain-error.ts';
import {
  type CreatePoolRequest,
  OnRevoke,
  type Pool,
  PoolSchema,
  Selection,
  StickinessMode,
} from './gen/proxies/v1/proxies_pb.ts';

const seconds = (count: number) => ({ seconds: BigInt(count) });

const DEFAULTS = {
  selection: Selection.ROUND_ROBIN,
  stickiness: { mode: StickinessMode.SOFT, idleTtl: seconds(600), maxTtl: seconds(86_400) },
  failover: { maxAttempts: 3, deadline: seconds(30) },
  autoRotation: { onUnhealthy: true },
  health: { failuresToEject: 3, baseEjection: seconds(30), maxEjection: seconds(600), maxEjectedPercent: 50 },
  destinations: {},
  limits: {},
  onRevoke: OnRevoke.CUT,
} as const satisfies MessageInitShape<typeof PoolSchema>;

export type PolicyField = keyof typeof DEFAULTS;
const POLICY_FIELDS = Object.keys(DEFAULTS) as PolicyField[];

/** A policy with every default: what a pool has whose creator names none. */
export function defaultPolicy(): string {
  return toJsonString(PoolSchema, create(PoolSchema, DEFAULTS));
}

/** The policies of a stored pool as a Pool message without the rest. */
export function policyMessage(policy: string): Pool {
  return fromJsonString(PoolSchema, policy);
}

/** The policy that a request asks for; `invalid_argument` names each one that is not served yet. */
export function policyOf(request: Pick<CreatePoolRequest, PolicyField>): string {
  const served = toJson(PoolSchema, create(PoolSchema, DEFAULTS)) as Record<PolicyField, unknown>;
  const asked = toJson(PoolSchema, create(PoolSchema, withoutAbsent(request))) as Partial<Record<PolicyField, unknown>>;
  const refused = POLICY_FIELDS.filter((field) => !isPartOf(asked[field], served[field]));
  if (refused.length > 0) {
    throw malformed(refused.map((field) => ({ field, description: 'only the default is served by this release' })));
  }
  return defaultPolicy();
}

function withoutAbsent(request: Pick<CreatePoolRequest, PolicyField>): MessageInitShape<typeof PoolSchema> {
  return Object.fromEntries(
    POLICY_FIELDS.map((field) => [field, request[field]]).filter(([, value]) => value !== undefined),
  );
}

/** Whether everything that is asked for is what is served. */
function isPartOf(asked: unknown, served: unknown): boolean {
  if (asked === undefined || asked === served) return true;
  if (typeof asked !== 'object' || typeof served !== 'object' || asked === null || served === null) return false;
  return Object.entries(asked).every(([key, value]) => isPartOf(value, (served as Record<string, unknown>)[key]));
}
