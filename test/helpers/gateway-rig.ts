/**
 * A gateway in this process with one workspace, one key, one pool `default` and
 * a STATIC provider; tests add sessions that point at upstreams of their own.
 */
import { createHash } from 'node:crypto';
import type { HealthFeed } from '../../gateway/health-feed.ts';
import { Gateway } from '../../gateway/server.ts';
import { Wires } from '../../gateway/wire/wires.ts';
import type { RecordBindings } from '../../src/core/account-binding.ts';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import type { ClientRange, Entrance } from '../../src/core/entrance.ts';
import { defaultLimits, type GatewayLimits } from '../../src/core/limits.ts';
import { type Logger, silentLog } from '../../src/core/log.ts';
import {
  type ApiKeyId,
  OPEN_POLICY,
  type PoolId,
  type PoolPolicyState,
  type PoolState,
  type ProviderId,
  type SessionId,
  type SessionState,
  type WorkspaceId,
} from '../../src/core/model.ts';

export const KEY = 'sp_live_00112233445566778899aabbccddeeff';
export const KEY_ID = '018f8c20-0000-7000-8000-00000000000a' as ApiKeyId;
export const WORKSPACE = '018f8c1e-7a2b-7c3d-9e4f-1a2b3c4d5e6f' as WorkspaceId;
export const POOL = '018f8c21-2222-7c8c-8ddd-3d3d3d3d3d3d' as PoolId;
export const STATIC = '018f8c20-1111-7aaa-8bbb-2c2c2c2c2c2c' as ProviderId;
export const LOCAL = '018f8c20-1111-7aaa-8bbb-000000000001' as ProviderId;

/** The id of the nth session of a test. */
export function sessionId(n: number): SessionId {
  return `018f8c22-0000-7000-8000-${n.toString(16).padStart(12, '0')}` as SessionId;
}

/** A listener on loopback for clients who send credentials in clear. */
export const plainEntrance: Entrance = {
  host: '127.0.0.1',
  port: 0,
  tls: null,
  errorStatus: 'standard',
  binding: null,
};

/** The pool `default`, open to everything. */
export function poolState(fields: Partial<PoolState> = {}): PoolState {
  return { id: POOL, workspaceId: WORKSPACE, name: 'default', enabled: true, policy: OPEN_POLICY, ...fields };
}

export interface GatewayRig {
  readonly gateway: Gateway;
  readonly port: number;
  /** Of every entrance: the plain one, and those asked for. */
  readonly ports: readonly number[];
  /** Value of Proxy-Authorization for this username (a selector). */
  authorization(username?: string): string;
  /** A whole request head with credentials: `line` is method and target, `lines` go behind the credential. */
  head(line: string, lines?: readonly string[], username?: string): string;
  /** How often this cause was counted. */
  counted(cause: string): number;
  /** Replaces the pool `default`, with these policies in place of none. */
  putPool(policy: Partial<PoolPolicyState>, fields?: Partial<PoolState>): void;
  /** Adds or replaces session n, an http upstream on loopback with credentials. */
  put(n: number, port: number, fields?: Partial<SessionState>): void;
  remove(n: number): void;
  close(): Promise<void>;
}

export async function startGatewayRig(
  options: {
    limits?: Partial<GatewayLimits>;
    log?: Logger;
    clock?: Clock;
    dnsServers?: readonly string[];
    upstreamsAllowPrivate?: boolean;
    upstreamAuthorities?: readonly string[];
    /** Beside the plain one. */
    entrances?: readonly Entrance[];
    clientRanges?: readonly ClientRange[];
    /** Takes every binding where it is left out. */
    recordBindings?: RecordBindings;
    revokeGraceMs?: number;
    /** What connections are made of. */
    wires?: Wires;
    /** Who hears how attempts end; nobody where it is left out. */
    health?: HealthFeed;
  } = {},
): Promise<GatewayRig> {
  const configured = {
    entrances: [plainEntrance, ...(options.entrances ?? [])],
    clientRanges: options.clientRanges ?? [],
    limits: { ...defaultLimits, ...options.limits },
    revokeGraceMs: options.revokeGraceMs ?? 30_000,
    accessLog: options.log !== undefined,
    dnsServers: options.dnsServers ?? null,
    upstreamsAllowPrivate: options.upstreamsAllowPrivate ?? true,
    upstreamAuthorities: options.upstreamAuthorities ?? [],
    recordBindings: options.recordBindings ?? (async (batch) => batch.map(() => 'written')),
    log: options.log ?? silentLog,
    clock: options.clock ?? systemClock,
    wires: options.wires ?? new Wires(),
  };
  const gateway = await (options.health ? Gateway.create(configured, options.health) : Gateway.create(configured));
  const provider = {
    workspaceId: WORKSPACE,
    enabled: true,
    endpoint: null,
    name: null,
    usernameTemplate: null,
    passwordTemplate: null,
    password: null,
    tokenFormat: null,
    mintTokens: false,
    parameters: [],
  };
  gateway.apply([
    {
      kind: 'key-put',
      key: {
        id: KEY_ID,
        workspaceId: WORKSPACE,
        hash: createHash('sha256').update(KEY).digest('hex'),
        mayUseGateway: true,
        expiresAtMs: null,
      },
    },
    { kind: 'pool-put', pool: poolState() },
    { kind: 'provider-put', provider: { id: STATIC, type: 'static', ...provider } },
    { kind: 'provider-put', provider: { id: LOCAL, type: 'local', ...provider } },
  ]);
  const ports = (await gateway.listen()).map((url) => Number(new URL(url).port));
  const authorization = (username = 'default') => `Basic ${Buffer.from(`${username}:${KEY}`).toString('base64')}`;
  return {
    gateway,
    port: ports[0]!,
    ports,
    authorization,
    head: (line, lines = [], username) =>
      [`${line} HTTP/1.1`, 'Host: a.test', `Proxy-Authorization: ${authorization(username)}`, ...lines, '', ''].join(
        '\r\n',
      ),
    counted: (cause) => gateway.snapshot().causes.find(({ labels }) => labels[0] === cause)?.value ?? 0,
    putPool: (policy, fields = {}) =>
      gateway.apply([{ kind: 'pool-put', pool: poolState({ policy: { ...OPEN_POLICY, ...policy }, ...fields }) }]),
    put(n, port, fields = {}) {
      const session: SessionState = {
        id: sessionId(n),
        poolId: POOL,
        providerId: STATIC,
        token: `token-${n}`,
        endpoint: { scheme: 'http', host: '127.0.0.1', port },
        localAddress: null,
        username: `user-${n}`,
        password: `pass-${n}`,
        tlsInsecure: false,
        labels: null,
        enabled: true,
        ...fields,
      };
      gateway.apply([{ kind: 'session-put', session }]);
    },
    remove: (n) => gateway.apply([{ kind: 'session-gone', poolId: POOL, sessionId: sessionId(n) }]),
    close: () => gateway.close(),
  };
}
