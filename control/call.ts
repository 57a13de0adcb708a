/**
 * One RPC under way: who calls, what the method demands, what came of it so far.
 * Made by the gate, carried in the call's context values, read by interceptors
 * and services. `Plane` is what all calls share.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Code, ConnectError, type ContextValues, createContextKey } from '@connectrpc/connect';
import type { Clock } from '../src/core/clock.ts';
import type { Logger } from '../src/core/log.ts';
import type { WorkspaceId } from '../src/core/model.ts';
import type { AccessTable, Caller } from './access-table.ts';
import { DomainError } from './domain-error.ts';
import type { MethodRule } from './interceptors/method-rules.ts';
import type { GatewayPort } from './ports.ts';
import type { Discovery } from './providers/discovery.ts';
import type { VendorAccounts } from './providers/vendor-accounts.ts';
import type { Publisher } from './publisher.ts';
import type { Resealer } from './resealer.ts';
import type { Vault } from './secrets/vault.ts';
import type { Store } from './store/database.ts';

/** What every service works with: made once by `plane.ts`. */
export interface Plane {
  readonly store: Store;
  readonly vault: Vault;
  readonly resealer: Pick<Resealer, 'kick'>;
  readonly publisher: Publisher;
  readonly access: AccessTable;
  readonly gateway: GatewayPort;
  readonly vendorAccounts: VendorAccounts;
  readonly discovery: Discovery;
  readonly clock: Clock;
  readonly log: Logger;
  /** A new UUIDv7. */
  readonly newId: <Id extends string>() => Id;
  /** The addresses of this machine, canonical: where a LOCAL session may dial from. */
  readonly localAddresses: () => ReadonlySet<string>;
  /** Told how long each RPC took, in seconds, and its code (`ok` or a Connect code name). */
  readonly observeRpc: (method: string, code: string, seconds: number) => void;
  /** Whether calls are taken at all: false while draining, or with a broken store or index. */
  readonly isServing: () => boolean;
}

export interface Call {
  /** For example `proxies.v1.Proxies/CreateSession`. */
  readonly method: string;
  readonly rule: MethodRule;
  readonly startedMs: number;
  readonly caller: Caller;
  /** The workspace that the request names, once it is known to exist and to be the caller's to name. */
  workspaceId: WorkspaceId | null;
  /** Set when the call's audit row is on disk, so that it gets no second one. */
  audited: boolean;
  /** Aborted when the deadline passes or the client goes away: nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** Whether the key is still good for this method: for streams, which outlive the gate's look at it. */
  readonly isStillAllowed: () => boolean;
}

const callKey = createContextKey<Call | null>(null, { description: 'the call' });

export function setCall(values: ContextValues, call: Call): void {
  values.set(callKey, call);
}

/** The call that these context values belong to; throws outside of one, as that is a broken invariant. */
export function callOf(values: ContextValues): Call {
  const call = values.get(callKey);
  if (call === null) throw new Error('an RPC ran without passing the gate');
  return call;
}

/** The workspace that the call's request names; throws for methods without one. */
export function workspaceOf(call: Call): WorkspaceId {
  if (call.workspaceId === null) throw new Error(`${call.method} names no workspace`);
  return call.workspaceId;
}

/**
 * Throws when nobody waits for the answer any more (`deadline_exceeded`, `canceled`). Asked where turning back
 * still leaves nothing done: as a transaction begins, between the slices of a long one, between a stream's messages.
 */
export function checkpoint(call: Pick<Call, 'signal'>): void {
  if (!call.signal.aborted) return;
  const reason: unknown = call.signal.reason;
  const late = reason instanceof ConnectError && reason.code === Code.DeadlineExceeded;
  throw new DomainError(late ? 'deadline_exceeded' : 'canceled');
}

/** The pause between the slices of a call's long transaction: other work goes on, and a call nobody waits for ends. */
export function pauseOf(call: Pick<Call, 'signal'>): () => Promise<void> {
  return async () => {
    await nextTurn();
    checkpoint(call);
  };
}
