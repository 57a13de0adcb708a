/**
 * Accounts that the index has bound to a session, or moved to another, in a
 * request's turn: what the gateway tells the control plane to write down, and what
 * it is told in return. Plain data: it crosses the thread boundary both ways.
 */
import type { PoolId, SessionId } from './model.ts';
import type { MoveReason } from './pool-index/choice.ts';

/** Why an account was bound or moved; stable codes, as they stand in the audit record and in metrics. */
export type BindReason = MoveReason | 'first_use';

/** One account of a pool and the session that it has from now on. */
export interface AccountBinding {
  readonly poolId: PoolId;
  readonly accountName: string;
  readonly sessionId: SessionId;
  /** The session that the index knew it on; null when it knew none. */
  readonly previousSessionId: SessionId | null;
  readonly reason: BindReason;
}

/**
 * What became of a binding: it stands in the store; the store says another session (somebody bound, moved or pinned the
 * account meanwhile, and is right); or its pool or session is gone.
 */
export type BindingVerdict = 'written' | { readonly now: SessionId } | 'gone';

/** Bindings of one call, and so of one transaction: some tens of milliseconds of the control thread. */
export const MAX_BINDINGS = 500;

/**
 * Writes down at most `MAX_BINDINGS`; answers a verdict each, in order, once all is on disk and the index has what the
 * store says of these accounts. Rejects when nothing was written, or nobody knows; repeating it is safe.
 */
export type RecordBindings = (batch: readonly AccountBinding[]) => Promise<readonly BindingVerdict[]>;
