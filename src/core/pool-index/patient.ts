/**
 * What health needs of the index: the shape of its sessions, groups, pools and
 * providers, each with one field that is null until something fails there, and the
 * host that acts on what health decides. Implemented by the index.
 */
import type { PoolPolicyState, ProviderId, ProviderType, SessionId } from '../model.ts';
import type { Condition } from './condition.ts';
import type { GroupHealth, PoolHealth } from './pool-health.ts';
import type { ProviderHealth } from './suspensions.ts';

export type HealthPolicy = Pick<
  PoolPolicyState,
  'failuresToEject' | 'baseEjectionMs' | 'maxEjectionMs' | 'maxEjectedPercent'
>;

/** A session. */
export interface Patient {
  readonly id: SessionId;
  readonly group: PatientGroup;
  /** Written by health alone. */
  condition: Condition | null;
}

/** A pool's sessions of one provider. */
export interface PatientGroup {
  readonly pool: PatientPool;
  readonly provider: PatientProvider;
  /** Its sessions, in or out. */
  readonly total: number;
  /** Written by health alone. */
  health: GroupHealth | null;
}

export interface PatientPool {
  readonly state: { readonly policy: HealthPolicy };
  /** Its sessions, in or out: what the largest part to be out is of. */
  readonly total: number;
  /** Written by health alone. */
  health: PoolHealth | null;
}

export interface PatientProvider {
  readonly state: { readonly id: ProviderId; readonly type: ProviderType };
  readonly groups: Iterable<PatientGroup>;
  /** Written by health alone. */
  health: ProviderHealth | null;
}

/**
 * What the index does for health, in the same turn. A session may be taken out for other reasons, too (disabled, no
 * endpoint): the index puts it back only if nothing else speaks against it.
 */
export interface HealthHost {
  /** The session leaves its rosters. */
  takeOut(patient: Patient): void;
  /** Health has nothing against the session any more: it returns to its rosters. */
  putBack(patient: Patient): void;
  /** The group stops serving as a whole. */
  suspend(group: PatientGroup): void;
  /** Health has nothing against the group as a whole any more. */
  resume(group: PatientGroup): void;
  /** Where the session's upstream listens; null when it has none. */
  endpointOf(patient: Patient): { readonly host: string; readonly port: number } | null;
}
