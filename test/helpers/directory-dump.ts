/**
 * What a `Directory` answers, as plain data: two of them answer alike exactly when
 * their dumps are equal. Asked by id, token, name, account and key hash, so what is
 * gone must be asked for as well: hence the universe.
 */
import type { PoolId, SessionId, WorkspaceId } from '../../src/core/model.ts';
import type { Directory } from '../../src/core/pool-index/directory.ts';
import type { Member } from '../../src/core/pool-index/member.ts';
import type { Pool } from '../../src/core/pool-index/pool.ts';

/** Everything that was ever there. */
export interface Universe {
  readonly workspaceIds: ReadonlySet<WorkspaceId>;
  readonly poolIds: ReadonlySet<PoolId>;
  readonly poolNames: ReadonlySet<string>;
  readonly sessionIds: ReadonlySet<SessionId>;
  readonly tokens: ReadonlySet<string>;
  readonly accountNames: ReadonlySet<string>;
  readonly keyHashes: ReadonlySet<string>;
}

/** The answers, keyed by the question; what is absent is left out. */
export function dumpDirectory(directory: Directory, universe: Universe): Record<string, unknown> {
  const answers: Record<string, unknown> = {};
  for (const hash of universe.keyHashes) put(answers, `key ${hash}`, directory.findKey(hash));
  for (const workspaceId of universe.workspaceIds) {
    for (const name of universe.poolNames) {
      put(answers, `pool ${workspaceId} ${name}`, directory.findPool(workspaceId, name)?.state.id);
    }
  }
  for (const poolId of universe.poolIds) {
    const pool = directory.findPoolById(poolId);
    if (pool !== undefined) dumpPool(answers, directory, pool, universe);
  }
  return answers;
}

function dumpPool(answers: Record<string, unknown>, directory: Directory, pool: Pool, universe: Universe): void {
  const { id } = pool.state;
  put(answers, `pool ${id}`, { state: pool.state, eligible: pool.size, total: pool.total });
  for (const sessionId of universe.sessionIds) {
    const member = pool.findById(sessionId);
    if (member !== undefined && !member.group.gone) put(answers, `session ${id} ${sessionId}`, describe(pool, member));
  }
  for (const token of universe.tokens) {
    put(answers, `token ${id} ${token}`, pool.findByToken(pool.keyHash(token), token)?.id);
  }
  for (const name of universe.accountNames) put(answers, `account ${id} ${name}`, directory.findAssignment(id, name));
}

function describe(pool: Pool, member: Member): object {
  const route = pool.routeOf(member);
  // How it fares is no part of what the store says.
  return { serves: pool.serves(member), token: member.token, route: route && { ...route, live: null } };
}

function put(answers: Record<string, unknown>, question: string, answer: unknown): void {
  if (answer !== undefined) answers[question] = structuredClone(answer);
}
