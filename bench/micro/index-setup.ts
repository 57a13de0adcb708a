/** Directories of a given size for the index benches, filled through changes as the gateway's is. */
import { systemClock } from '../../src/core/clock.ts';
import {
  type Change,
  OPEN_POLICY,
  type PoolId,
  type ProviderId,
  type SessionId,
  type SessionState,
  type WorkspaceId,
} from '../../src/core/model.ts';
import { Directory } from '../../src/core/pool-index/directory.ts';
import type { Pool } from '../../src/core/pool-index/pool.ts';

const WORKSPACE = '00000000-0000-4000-8000-000000000001' as WorkspaceId;
const PROVIDER = '00000000-0000-4000-8000-000000000002' as ProviderId;
/** Changes cross a thread by structured clone: all strings of one are its own. */
const PAD = 12;

const hex = (n: number): string => n.toString(16).padStart(PAD, '0');
export const poolIdOf = (n: number): PoolId => `0190a000-0000-7000-8000-${hex(n)}` as PoolId;
/** Scattered like random ids, the same in each run. */
export const sessionIdOf = (n: number): SessionId =>
  `0190b000-${hex(Math.imul(n, 0x9e3779b1) >>> 0).slice(-4)}-7000-8000-${hex(n)}` as SessionId;
export const tokenOf = (n: number): string => `tok${(n * 7_919).toString(36)}`;

/** A STATIC session with an endpoint and credentials of its own. */
export function sessionOf(n: number, pools: number, over: Partial<SessionState> = {}): SessionState {
  return {
    id: sessionIdOf(n),
    poolId: poolIdOf(n % pools),
    providerId: `${PROVIDER.slice(0, PAD)}${PROVIDER.slice(PAD)}` as ProviderId,
    token: tokenOf(n),
    endpoint: { scheme: 'http', host: `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`, port: 8_080 },
    localAddress: null,
    username: `user${n}`,
    password: `password${n}`,
    tlsInsecure: false,
    labels: null,
    enabled: true,
    ...over,
  };
}

export const putOf = (n: number, pools: number, over?: Partial<SessionState>): Change => ({
  kind: 'session-put',
  session: structuredClone(sessionOf(n, pools, over)),
});

export const goneOf = (n: number, pools: number): Change => ({
  kind: 'session-gone',
  poolId: poolIdOf(n % pools),
  sessionId: sessionIdOf(n),
});

export interface Filled {
  readonly directory: Directory;
  readonly pools: readonly Pool[];
}

/** An empty directory with `pools` pools and one STATIC provider. */
export function emptyDirectory(pools: number): Filled {
  const directory = new Directory({ clock: systemClock, localExit: null });
  const provider = { id: PROVIDER, workspaceId: WORKSPACE, type: 'static', enabled: true } as const;
  const bare = { name: null, endpoint: null, usernameTemplate: null, passwordTemplate: null, password: null };
  const plain = { tokenFormat: null, mintTokens: false, parameters: [] };
  directory.apply({ kind: 'provider-put', provider: { ...provider, ...bare, ...plain } });
  const made: Pool[] = [];
  for (let n = 0; n < pools; n++) {
    const id = poolIdOf(n);
    const pool = { id, workspaceId: WORKSPACE, name: `pool${n}`, enabled: true, policy: OPEN_POLICY };
    directory.apply({ kind: 'pool-put', pool });
    made.push(directory.findPoolById(id)!);
  }
  return { directory, pools: made };
}

/** The same with sessions 0 … count − 1 dealt out to the pools; `over` says what is otherwise in one. */
export function filledDirectory(
  count: number,
  pools: number,
  over: (n: number) => Partial<SessionState> = () => ({}),
): Filled {
  const filled = emptyDirectory(pools);
  for (let n = 0; n < count; n++) filled.directory.apply(putOf(n, pools, over(n)));
  return filled;
}

/** Sizes as [sessions, pools]. */
export const SIZES: readonly (readonly [number, number])[] = [
  [1_000, 1],
  [100_000, 1],
  [1_000_000, 1],
  [100_000, 10_000],
];
export const QUICK_SIZES: readonly (readonly [number, number])[] = [
  [1_000, 1],
  [100_000, 1],
];
export const sizeName = (count: number, pools: number): string =>
  `${count.toLocaleString('en-US')} sessions${pools > 1 ? ` in ${pools.toLocaleString('en-US')} pools` : ''}`;
