/**
 * The rules of each request about pools. Bounds of policies stand here, rules
 * between two of their fields in `pool-policy.ts`.
 */
import * as rule from '../field-rules.ts';
import { distinct, each, type MessageChecks, nested, optional, required } from '../field-rules.ts';
import * as pb from '../gen/proxies/v1/proxies_pb.ts';
import { byId, id, ids, type MessageRules, on, page } from './message-rules.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const DAY_MS = 24 * 60 * MINUTE_MS;

const MAX_DESTINATIONS = 1_000;
const MAX_CONNECT_PORTS = 100;
/** Far above what one process can hold: only there so that the number fits wherever it is kept. */
const MAX_POOL_LIMIT = 1_000_000;

const life = optional(rule.span(SECOND_MS, 365 * DAY_MS, '1s–365d'));
const ejection = optional(rule.span(SECOND_MS, DAY_MS, '1s–24h'));
const destinations = each(required(rule.destination), 0, MAX_DESTINATIONS);
const probeKind = rule.knownEnum(pb.ProbeKindSchema);
const poolLimit = optional(rule.between(0, MAX_POOL_LIMIT));

const policies: MessageChecks<pb.UpdatePoolRequest & pb.CreatePoolRequest> = {
  selection: optional(rule.knownEnum(pb.SelectionSchema)),
  stickiness: nested<pb.Stickiness>({
    mode: optional(rule.knownEnum(pb.StickinessModeSchema)),
    idleTtl: life,
    maxTtl: life,
  }),
  failover: nested<pb.Failover>({
    maxAttempts: optional(rule.between(1, 10)),
    deadline: optional(rule.span(100, 10 * MINUTE_MS, '100ms–10m')),
  }),
  autoRotation: nested<pb.AutoRotation>({ maxAge: life }),
  health: nested<pb.HealthPolicy>({
    failuresToEject: optional(rule.between(1, 1_000)),
    baseEjection: ejection,
    maxEjection: ejection,
    maxEjectedPercent: optional(rule.between(0, 100)),
    probe: nested<pb.Probe>({
      kind: required((kind) => (kind === pb.ProbeKind.UNSPECIFIED ? 'is required' : probeKind(kind))),
      interval: optional(rule.span(5 * SECOND_MS, DAY_MS, '5s–24h')),
      timeout: optional(rule.span(100, MINUTE_MS, '100ms–60s')),
    }),
  }),
  destinations: nested<pb.Destinations>({
    allow: destinations,
    deny: destinations,
    connectPorts: distinct(required(rule.port), MAX_CONNECT_PORTS),
  }),
  limits: nested<pb.PoolLimits>({ maxTunnelsPerSession: poolLimit, maxPendingDialsPerSession: poolLimit }),
  onRevoke: optional(rule.knownEnum(pb.OnRevokeSchema)),
};

export const POOL_RULES: readonly MessageRules[] = [
  on(pb.CreatePoolRequestSchema, { workspaceId: id, name: required(rule.poolName), ...policies }),
  on(pb.GetPoolRequestSchema, byId('poolId')),
  on(pb.BatchGetPoolsRequestSchema, { workspaceId: id, poolIds: ids }),
  on(pb.UpdatePoolRequestSchema, {
    ...byId('poolId'),
    name: optional(rule.poolName),
    ...policies,
    expectedVersion: optional(rule.version),
  }),
  on(pb.DeletePoolRequestSchema, byId('poolId')),
  on(pb.ListPoolsRequestSchema, { workspaceId: id, ...page }),
];
