/**
 * The nouns both planes share, and the changes one hands to the other.
 *
 * The control plane turns each committed write into `Change`s; the gateway's
 * directory applies them in commit order. Everything here is plain data: it
 * crosses a thread boundary by structured clone. Ids are lower-case UUID text.
 */
import type { SessionLive } from './pool-index/session-live.ts';

export type WorkspaceId = string & { readonly brand: 'WorkspaceId' };
export type PoolId = string & { readonly brand: 'PoolId' };
export type ProviderId = string & { readonly brand: 'ProviderId' };
export type SessionId = string & { readonly brand: 'SessionId' };
export type ApiKeyId = string & { readonly brand: 'ApiKeyId' };
export type AssignmentId = string & { readonly brand: 'AssignmentId' };

/** Schemes of an upstream proxy, as they stand in a session. */
export const SCHEMES = ['http', 'https', 'socks4', 'socks4a', 'socks5', 'socks5h'] as const;
export type Scheme = (typeof SCHEMES)[number];

export type ProviderType = 'static' | 'gateway' | 'local';

/** Where an upstream listens: scheme, canonical host (no brackets), port 1–65535. */
export interface Endpoint {
  readonly scheme: Scheme;
  readonly host: string;
  readonly port: number;
}

/** An API key as the gateway knows it: never the key, only the SHA-256 of it. */
export interface ApiKeyState {
  readonly id: ApiKeyId;
  readonly workspaceId: WorkspaceId;
  /** SHA-256 of the raw key, 64 lower-case hex characters. */
  readonly hash: string;
  /** Whether a policy of the key grants PERMISSION_USE_GATEWAY. */
  readonly mayUseGateway: boolean;
  /** Milliseconds since the epoch, or null for a key that does not expire. */
  readonly expiresAtMs: number | null;
}

/** How a pool chooses for who has neither account nor sticky key. */
export type SelectionName = 'round_robin' | 'random' | 'least_connections' | 'least_recently_used' | 'fastest';

/** What becomes of live tunnels whose session was changed, disabled or deleted. */
export type OnRevokeName = 'cut' | 'drain' | 'keep';

/** What a probe proves: the upstream takes connections, opens tunnels, or brings an answer. */
export type ProbeKindName = 'tcp' | 'handshake' | 'url';

/** What a probe asks an upstream for. */
export interface ProbeTarget {
  /** Lower-case name or canonical address without brackets. */
  readonly host: string;
  readonly port: number;
  /** Over TLS with the target itself; false for a handshake. */
  readonly secure: boolean;
  /** Path and query of an URL; empty for a handshake. */
  readonly path: string;
}

/** How the sessions of a pool are probed. */
export interface ProbePolicy {
  readonly kind: ProbeKindName;
  /** null for `tcp`, and for it alone. */
  readonly target: ProbeTarget | null;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** What a pool's policies ask of the gateway. Times in milliseconds. */
export interface PoolPolicyState {
  readonly selection: SelectionName;
  /** Sticky keys fail rather than move. */
  readonly strict: boolean;
  /** Sliding idle life of a sticky key, and its longest life. */
  readonly stickyIdleMs: number;
  readonly stickyMaxMs: number;
  /** Attempts in all, and the one deadline over them. */
  readonly maxAttempts: number;
  readonly failoverDeadlineMs: number;
  /** Whether accounts move off a session that cannot serve, and after how long they move anyway (null: never). */
  readonly rotateUnhealthy: boolean;
  readonly rotateAgeMs: number | null;
  /** Consecutive failures; the first ejection, doubling up to the longest; at most so many percent of the pool. */
  readonly failuresToEject: number;
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  readonly maxEjectedPercent: number;
  /** null: no session is probed. */
  readonly probe: ProbePolicy | null;
  readonly onRevoke: OnRevokeName;
  /** Canonical entries of the grammar of `destinations.ts`. All targets where `allow` is empty. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  /** Any port where empty. */
  readonly connectPorts: readonly number[];
  /** 0: no bound of the pool's own. */
  readonly maxTunnelsPerSession: number;
  readonly maxPendingDialsPerSession: number;
  /** Forwarded responses go without our own fields. */
  readonly quiet: boolean;
  /** Plain requests and their responses carry `Via`. */
  readonly via: boolean;
}

/** The policy of a pool that asks for nothing: the defaults of every policy. */
export const OPEN_POLICY: PoolPolicyState = {
  selection: 'round_robin',
  strict: false,
  stickyIdleMs: 600_000,
  stickyMaxMs: 86_400_000,
  maxAttempts: 3,
  failoverDeadlineMs: 30_000,
  rotateUnhealthy: true,
  rotateAgeMs: null,
  failuresToEject: 3,
  baseEjectionMs: 30_000,
  maxEjectionMs: 600_000,
  maxEjectedPercent: 50,
  probe: null,
  onRevoke: 'cut',
  allow: [],
  deny: [],
  connectPorts: [],
  maxTunnelsPerSession: 0,
  maxPendingDialsPerSession: 0,
  quiet: false,
  via: false,
};

/** A pool as the gateway knows it. */
export interface PoolState {
  readonly id: PoolId;
  readonly workspaceId: WorkspaceId;
  readonly name: string;
  readonly enabled: boolean;
  readonly policy: PoolPolicyState;
}

/** The labels that the username language knows. */
export const LABEL_KEYS = ['country', 'city', 'isp', 'type'] as const;
export type LabelKey = (typeof LABEL_KEYS)[number];
/** Those that a session has, in lower case: that is how they are compared. */
export type SessionLabels = Readonly<Partial<Record<LabelKey, string>>>;

/** What a request may put into a rotating provider's templates besides its token. */
export type ParameterName = LabelKey | 'ttl_minutes' | 'ttl_seconds';

/** How a rotating provider spells one value of the username language. */
export interface ProviderParameter {
  readonly placeholder: ParameterName;
  /** One character class and its length, as in a token format; for durations the digits. */
  readonly format: string;
  /** Smallest and largest number, for durations. */
  readonly range?: readonly [min: number, max: number];
  /** Values that are spelled otherwise than in the username language, by their spelling there. */
  readonly otherwise?: Readonly<Record<string, string>>;
}

/** A provider as the gateway knows it. `password` is the opened credential of a rotating provider. */
export interface ProviderState {
  readonly id: ProviderId;
  readonly workspaceId: WorkspaceId;
  /** Not unique; null without one. */
  readonly name: string | null;
  readonly type: ProviderType;
  readonly enabled: boolean;
  readonly endpoint: Endpoint | null;
  readonly usernameTemplate: string | null;
  readonly passwordTemplate: string | null;
  readonly password: string | null;
  /** What its tokens look like (`token-format.ts`); null for any. */
  readonly tokenFormat: string | null;
  /** Whether sticky keys become tokens of its own, and requests without a key get a fresh one. */
  readonly mintTokens: boolean;
  /** The values that it spells in its own way; any other is taken as it is. */
  readonly parameters: readonly ProviderParameter[];
}

/** A session as the gateway knows it: endpoint and credentials in clear, in memory only. */
export interface SessionState {
  readonly id: SessionId;
  readonly poolId: PoolId;
  readonly providerId: ProviderId;
  readonly token: string;
  /** The session's own endpoint (STATIC); null where the provider has it. */
  readonly endpoint: Endpoint | null;
  /** LOCAL only: the address of this machine to dial from; null lets the system choose. */
  readonly localAddress: string | null;
  readonly username: string | null;
  readonly password: string | null;
  /** Whether the certificate of an https upstream goes unchecked. */
  readonly tlsInsecure: boolean;
  /** null: none that the username language knows. */
  readonly labels: SessionLabels | null;
  readonly enabled: boolean;
}

/** An assignment as the gateway knows it: which session an account of a pool is bound to. */
export interface AssignmentState {
  readonly id: AssignmentId;
  readonly poolId: PoolId;
  readonly accountName: string;
  /** May be gone or unable to serve: the assignment stays. */
  readonly sessionId: SessionId;
  readonly pinned: boolean;
  /** Since when it is as it is, milliseconds since the epoch. */
  readonly boundAtMs: number;
}

/** One committed write, as the gateway must see it. A `…-put` carries the whole new state. */
export type Change =
  | { readonly kind: 'key-put'; readonly key: ApiKeyState }
  | { readonly kind: 'key-gone'; readonly hash: string }
  | { readonly kind: 'pool-put'; readonly pool: PoolState }
  | { readonly kind: 'pool-gone'; readonly poolId: PoolId }
  | { readonly kind: 'provider-put'; readonly provider: ProviderState }
  | { readonly kind: 'provider-gone'; readonly providerId: ProviderId }
  | { readonly kind: 'session-put'; readonly session: SessionState }
  | { readonly kind: 'session-gone'; readonly poolId: PoolId; readonly sessionId: SessionId }
  | { readonly kind: 'assignment-put'; readonly assignment: AssignmentState }
  | { readonly kind: 'assignment-gone'; readonly poolId: PoolId; readonly accountName: string };

/** What a SOCKS upstream is told; bytes of UTF-8 as latin1 text, one character an octet. */
export interface SocksCredentials {
  readonly username: string;
  readonly password: string;
}

/**
 * How to reach one session: all that dialling and injecting need, compiled once
 * when the session changes. The object's identity is the credential version:
 * a changed session gets a new route, so a connection filed under a route can
 * never serve another identity.
 */
export interface Route {
  readonly sessionId: SessionId;
  readonly poolId: PoolId;
  readonly providerId: ProviderId;
  readonly scheme: Scheme;
  readonly host: string;
  readonly port: number;
  /** Plain requests go through a tunnel too, in origin-form (SOCKS, LOCAL exits). */
  readonly tunnelled: boolean;
  /** Ready value of `Proxy-Authorization` for http and https, or null without credentials. A secret: never log it. */
  readonly authorization: string | null;
  /** For SOCKS, or null without credentials. A secret: never log it. */
  readonly credentials: SocksCredentials | null;
  /** Whether the certificate of an https upstream goes unchecked. */
  readonly tlsInsecure: boolean;
  /** How the session fares, the same object on each of its routes; null until the route is first handed out. */
  live: SessionLive | null;
}
