/**
 * Endpoints that several sessions have in common, and that fail as such: three
 * different sessions of one provider within ten seconds. `FailureWindow` is the rule;
 * `Endpoints` applies it to sessions with endpoints of their own, each host:port of
 * each provider by itself. Called by `Health`, and the rule by `Suspensions`.
 *
 * A suspended endpoint knows none of its sessions: each is ejected until the same
 * time when a request next comes upon it, and gets a trial of its own afterwards.
 * Bound: MAX_ENDPOINTS endpoints, least recently failed first out.
 */
import { LRUCache } from 'lru-cache';
import type { ProviderId, SessionId } from '../model.ts';
import { Cooldown } from './cooldown.ts';
import type { Due, DueTimes } from './due-times.ts';
import type { HealthPolicy, PatientProvider } from './patient.ts';

const SESSIONS_TO_SUSPEND = 3;
const WINDOW_MS = 10_000;
const MAX_ENDPOINTS = 65_536;

/** Which different sessions failed lately: two at most are remembered, the third decides. */
export class FailureWindow {
  readonly #ids: SessionId[] = [];
  /** When each last failed, monotonic ms. */
  readonly #times: number[] = [];

  /** A session failed to connect; true: it is the third in the window, which is empty again. */
  failed(id: SessionId, nowMs: number): boolean {
    for (let at = this.#ids.length - 1; at >= 0; at--) {
      if (this.#ids[at] !== id && nowMs - this.#times[at]! <= WINDOW_MS) continue;
      this.#ids.splice(at, 1);
      this.#times.splice(at, 1);
    }
    this.#ids.push(id);
    this.#times.push(nowMs);
    if (this.#ids.length < SESSIONS_TO_SUSPEND) return false;
    this.#ids.length = 0;
    this.#times.length = 0;
    return true;
  }
}

/** One host:port of one provider. */
export class SharedEndpoint extends Cooldown implements Due {
  readonly kind = 'endpoint';
  readonly provider: ProviderId;
  readonly host: string;
  readonly port: number;
  readonly window = new FailureWindow();
  untilMs = 0;
  duePlace = -1;

  constructor(provider: ProviderId, host: string, port: number) {
    super();
    this.provider = provider;
    this.host = host;
    this.port = port;
  }
}

type Suspended = Map<ProviderId, Map<string, Map<number, SharedEndpoint>>>;

export class Endpoints {
  readonly #failed: LRUCache<string, SharedEndpoint>;
  /** Those of them that are suspended, to be found without building a key. */
  readonly #suspended: Suspended = new Map();
  readonly #due: DueTimes<Due>;

  /** `maxEndpoints` is for tests. */
  constructor(due: DueTimes<Due>, maxEndpoints: number = MAX_ENDPOINTS) {
    this.#due = due;
    this.#failed = new LRUCache({
      maxSize: maxEndpoints,
      sizeCalculation: () => 1,
      dispose: (endpoint) => this.#lift(endpoint),
    });
  }

  /** Endpoints that are remembered. */
  get size(): number {
    return this.#failed.size;
  }

  /** Whether any endpoint is suspended. */
  get anySuspended(): boolean {
    return this.#suspended.size > 0;
  }

  /** Until when this endpoint of the provider is suspended, monotonic ms; 0: it is not. */
  suspendedUntilMs({ state }: PatientProvider, host: string, port: number): number {
    return this.#suspended.get(state.id)?.get(host)?.get(port)?.untilMs ?? 0;
  }

  /** A session failed to connect there; true: with it, the endpoint is suspended. */
  failed(
    { state }: PatientProvider,
    { host, port }: { readonly host: string; readonly port: number },
    id: SessionId,
    policy: HealthPolicy,
    nowMs: number,
  ): boolean {
    const key = `${state.id} ${host}:${port}`;
    let endpoint = this.#failed.get(key);
    if (endpoint === undefined) {
      endpoint = new SharedEndpoint(state.id, host, port);
      this.#failed.set(key, endpoint);
    }
    if (endpoint.untilMs !== 0 || !endpoint.window.failed(id, nowMs)) return false;
    endpoint.untilMs = endpoint.begin(nowMs, policy);
    this.#file(endpoint);
    this.#due.push(endpoint);
    return true;
  }

  /** Its time is over: it is well until three fail again. */
  reopen(endpoint: SharedEndpoint): void {
    endpoint.recover(endpoint.untilMs);
    this.#lift(endpoint);
  }

  #file(endpoint: SharedEndpoint): void {
    const { provider, host, port } = endpoint;
    const hosts = this.#suspended.get(provider) ?? new Map<string, Map<number, SharedEndpoint>>();
    const ports = hosts.get(host) ?? new Map<number, SharedEndpoint>();
    this.#suspended.set(provider, hosts.set(host, ports.set(port, endpoint)));
  }

  #lift(endpoint: SharedEndpoint): void {
    if (endpoint.untilMs === 0) return;
    const { provider, host, port } = endpoint;
    endpoint.untilMs = 0;
    this.#due.remove(endpoint);
    const hosts = this.#suspended.get(provider)!;
    const ports = hosts.get(host)!;
    ports.delete(port);
    if (ports.size === 0) hosts.delete(host);
    if (hosts.size === 0) this.#suspended.delete(provider);
  }
}
