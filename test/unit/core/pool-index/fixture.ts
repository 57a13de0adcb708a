/** Plain makers of changes and directories for the index tests. */
import type { Clock } from '../../../../src/core/clock.ts';
import {
  type AssignmentId,
  type AssignmentState,
  type Change,
  OPEN_POLICY,
  type PoolId,
  type PoolState,
  type ProviderId,
  type ProviderState,
  type Route,
  type SessionId,
  type SessionState,
  type WorkspaceId,
} from '../../../../src/core/model.ts';
import { consistentChoice } from '../../../../src/core/pool-index/consistent.ts';
import type { DirectoryOptions, RetiredScope } from '../../../../src/core/pool-index/directory.ts';
import { Directory } from '../../../../src/core/pool-index/directory.ts';
import { censusOf, type Foreseen, foresee, type PoolCensus } from '../../../../src/core/pool-index/foresee.ts';
import { hashText, mix, PUBLIC_KEY } from '../../../../src/core/pool-index/hash.ts';
import type { Member } from '../../../../src/core/pool-index/member.ts';
import type { Pool } from '../../../../src/core/pool-index/pool.ts';
import { resolve } from '../../../../src/core/pool-index/resolve.ts';
import type { LocalExit } from '../../../../src/core/pool-index/route.ts';
import { plainSelector, type Selector } from '../../../../src/core/selector.ts';

export const WORKSPACE = '00000000-0000-4000-8000-00000000000a' as WorkspaceId;

const uuid = (kind: number, n: number): string =>
  `0190${kind.toString(16).padStart(4, '0')}-0000-7000-8000-${n.toString(16).padStart(12, '0')}`;
export const poolId = (n: number): PoolId => uuid(1, n) as PoolId;
export const providerId = (n: number): ProviderId => uuid(2, n) as ProviderId;
export const sessionId = (n: number): SessionId => uuid(3, n) as SessionId;

/** A clock that stands still until it is told to move. */
export class StillClock implements Clock {
  now = 1_000;

  nowMs(): number {
    return 1_700_000_000_000 + this.now;
  }

  monotonicMs(): number {
    return this.now;
  }
}

export const localExit: LocalExit = {
  host: '127.0.0.1',
  port: 9_999,
  authorizationFor: (id, address) => `Basic local:${id}:${address ?? 'any'}`,
};

export const pool = (n: number, over: Partial<PoolState> = {}): PoolState => ({
  id: poolId(n),
  workspaceId: WORKSPACE,
  name: `pool${n}`,
  enabled: true,
  policy: OPEN_POLICY,
  ...over,
});

export const provider = (n: number, over: Partial<ProviderState> = {}): ProviderState => ({
  id: providerId(n),
  workspaceId: WORKSPACE,
  name: null,
  type: 'static',
  enabled: true,
  endpoint: null,
  usernameTemplate: null,
  passwordTemplate: null,
  password: null,
  tokenFormat: null,
  mintTokens: false,
  parameters: [],
  ...over,
});

export const gateway = (n: number, over: Partial<ProviderState> = {}): ProviderState =>
  provider(n, {
    type: 'gateway',
    endpoint: { scheme: 'http', host: 'gw.example', port: 7_000 },
    usernameTemplate: 'customer-{token}',
    password: 'pw',
    ...over,
  });

export const session = (n: number, over: Partial<SessionState> = {}): SessionState => ({
  id: sessionId(n),
  poolId: poolId(1),
  providerId: providerId(1),
  token: `token${n}`,
  endpoint: { scheme: 'http', host: `10.0.0.${n % 250}`, port: 8_080 },
  localAddress: null,
  username: `user${n}`,
  password: `planted-secret-${n}`,
  tlsInsecure: false,
  labels: null,
  enabled: true,
  ...over,
});

export const putPool = (n: number, over?: Partial<PoolState>): Change => ({ kind: 'pool-put', pool: pool(n, over) });
export const putProvider = (state: ProviderState): Change => ({ kind: 'provider-put', provider: state });
export const putSession = (n: number, over?: Partial<SessionState>): Change => ({
  kind: 'session-put',
  session: session(n, over),
});
export const goneSession = (n: number, p = 1): Change => ({
  kind: 'session-gone',
  poolId: poolId(p),
  sessionId: sessionId(n),
});

/** Account `account${n}` bound to a session of pool 1. */
export const putAssignment = (n: number, to: number, over: Partial<AssignmentState> = {}): Change => ({
  kind: 'assignment-put',
  assignment: {
    id: uuid(4, n) as AssignmentId,
    poolId: poolId(1),
    accountName: `account${n}`,
    sessionId: sessionId(to),
    pinned: false,
    boundAtMs: 0,
    ...over,
  },
});
export const goneAssignment = (n: number, p = 1): Change => ({
  kind: 'assignment-gone',
  poolId: poolId(p),
  accountName: `account${n}`,
});

/** A directory with the changes applied to it. */
export function directoryOf(changes: Iterable<Change>, options: Partial<DirectoryOptions> = {}): Directory {
  const directory = new Directory({ clock: new StillClock(), localExit, ...options });
  for (const change of changes) directory.apply(change);
  return directory;
}

/** Pool 1 of provider 1 with sessions 0 … count − 1. */
export function poolOf(count: number, options?: Partial<DirectoryOptions>): { directory: Directory; pool: Pool } {
  const directory = directoryOf([putPool(1), putProvider(provider(1))], options);
  for (let n = 0; n < count; n++) directory.apply(putSession(n));
  return { directory, pool: poolIn(directory, 1) };
}

export function poolIn(directory: Directory, n: number): Pool {
  const found = directory.findPoolById(poolId(n));
  if (found === undefined) throw new Error(`no pool ${n}`);
  return found;
}

/** Two session numbers whose ids have the same 32-bit hash. */
export function collidingSessions(): [number, number] {
  const seen = new Map<number, number>();
  for (let n = 0; ; n++) {
    const hash = hashText(sessionId(n), PUBLIC_KEY);
    const other = seen.get(hash);
    if (other !== undefined) return [other, n];
    seen.set(hash, n);
  }
}

/**
 * To whom accounts would be assigned, by a plain look at every session that can serve (`counts`: how many each
 * has): the fewest first, then the next clockwise from the account's point, then the smallest id.
 */
export function leastByHand(
  pool: PoolId,
  counts: ReadonlyMap<SessionId, number>,
  accountNames: readonly string[],
): (SessionId | null)[] {
  const rows = [...counts].map(([id, count]) => ({ id, count, point: hashText(id, PUBLIC_KEY) }));
  return accountNames.map((name) => {
    const from = mix(hashText(name, PUBLIC_KEY) ^ hashText(pool, PUBLIC_KEY));
    const distance = (point: number): number => (point - from) >>> 0;
    const [first] = rows.sort(
      (a, b) => a.count - b.count || distance(a.point) - distance(b.point) || (a.id < b.id ? -1 : 1),
    );
    if (first === undefined) return null;
    first.count++;
    return first.id;
  });
}

/** Records what a directory announces. */
export function listen(directory: Directory): { routes: Route[]; scopes: RetiredScope[] } {
  const heard = { routes: [] as Route[], scopes: [] as RetiredScope[] };
  directory.onRouteRetired = (route) => heard.routes.push(route);
  directory.onScopeRetired = (scope) => heard.scopes.push(scope);
  return heard;
}

/** What a request that asks for nothing but a sticky key (null: not even that) is given; null where nobody can serve. */
export function pick(pool: Pool, key: string | null, asked: Partial<Selector> = {}): Route | null {
  const route = resolve(pool, asking(key, asked), TARGET);
  return typeof route === 'string' ? null : route;
}

/** As `pick`, foreseen. */
export function foreseePick(pool: Pool, key: string | null, asked: Partial<Selector> = {}): Foreseen | null {
  const foreseen = foresee(pool, asking(key, asked), TARGET);
  return typeof foreseen === 'string' ? null : foreseen;
}

/** The session that a key belongs to by its hash alone. */
export function choice(pool: Pool, key: string, probes?: number): Member | null {
  return consistentChoice(pool, pool.scope, key, [], probes);
}

/** Who can serve a request that asks for nothing, and who cannot. */
export function census(pool: Pool): PoolCensus {
  return censusOf(pool, asking(null));
}

/** A selector with this sticky key. */
export function asking(key: string | null, asked: Partial<Selector> = {}): Selector {
  return { ...plainSelector('default', key), ...asked };
}

const TARGET = 'a.test';
