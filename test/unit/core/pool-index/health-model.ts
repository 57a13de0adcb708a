/**
 * Health as the contract tells it, with plain arrays, full scans and no heap: what the
 * property test holds the real one against. A trial is the very request that it is.
 */
import { CAUSES, type Cause } from '../../../../src/core/cause.ts';
import type { HealthReason } from '../../../../src/core/pool-index/condition.ts';
import type { HealthState } from '../../../../src/core/pool-index/health.ts';
import type { HealthPolicy } from '../../../../src/core/pool-index/patient.ts';

export interface ModelRequest {
  readonly session: ModelSession;
  readonly target: string;
  /** What it decides about, in words. */
  readonly decides: string[];
}

interface Cooldown {
  ejections: number;
  lastMs: number;
  wellSince: number | null;
}

interface Judged extends Cooldown {
  standing: 'in' | 'ejected' | 'half_open' | 'trial';
  until: number;
  trial: ModelRequest | null;
}

interface Pair extends Judged {
  readonly target: string;
  failures: number;
}

export interface ModelSession extends Judged {
  readonly n: number;
  readonly pool: ModelPool;
  readonly provider: ModelProvider;
  readonly endpoint: string;
  failures: number;
  reason: HealthReason;
  order: number;
  pairs: Pair[];
}

export interface ModelPool {
  readonly policy: HealthPolicy;
  readonly sessions: ModelSession[];
  /** Suspended providers, as they came. */
  suspended: ModelProvider[];
}

export interface ModelProvider extends Judged {
  readonly rotating: boolean;
  refusals: number;
  failed: { who: ModelSession; at: number }[];
}

interface ModelEndpoint extends Judged {
  readonly provider: ModelProvider;
  readonly name: string;
  failed: { who: ModelSession; at: number }[];
}

const fresh = (): Judged => ({ ejections: 0, lastMs: 0, wellSince: null, standing: 'in', until: 0, trial: null });
export const modelPool = (policy: HealthPolicy): ModelPool => ({ policy, sessions: [], suspended: [] });
export const modelProvider = (rotating: boolean): ModelProvider => ({ ...fresh(), rotating, refusals: 0, failed: [] });

export class HealthModel {
  now = 0;
  readonly pools: readonly ModelPool[];
  readonly providers: readonly ModelProvider[];
  readonly #endpoints: ModelEndpoint[] = [];
  #order = 0;

  constructor(pools: readonly ModelPool[], providers: readonly ModelProvider[]) {
    this.pools = pools;
    this.providers = providers;
  }

  add(n: number, pool: ModelPool, provider: ModelProvider, endpoint: string): ModelSession {
    const rest = { failures: 0, reason: 'failures' as const, order: 0, pairs: [] };
    const session: ModelSession = { ...fresh(), n, pool, provider, endpoint, ...rest };
    pool.sessions.push(session);
    if (provider.standing === 'ejected' || provider.standing === 'trial') this.#suspendIn(pool, provider);
    this.#settle(pool);
    return session;
  }

  forget(session: ModelSession, gone: boolean): void {
    const { pool, provider } = session;
    if (provider.trial?.session === session) this.#reopen(provider);
    Object.assign(session, fresh(), { failures: 0, reason: 'failures', pairs: [] });
    if (gone) pool.sessions.splice(pool.sessions.indexOf(session), 1);
    if (!pool.sessions.some((one) => one.provider === provider)) this.#resume(pool, provider);
    this.#settle(pool);
  }

  renew(provider: ModelProvider): void {
    if (!provider.rotating) return;
    Object.assign(provider, fresh(), { refusals: 0, failed: [] });
    for (const pool of this.pools) this.#resume(pool, provider);
  }

  advance(now: number): void {
    this.now = now;
    for (const { sessions } of this.pools) {
      for (const session of sessions) if (this.#isDue(session)) session.standing = 'half_open';
    }
    for (const provider of this.providers) if (this.#isDue(provider)) this.#reopen(provider);
    for (const endpoint of this.#endpoints) {
      if (!this.#isDue(endpoint)) continue;
      endpoint.standing = 'in';
      endpoint.wellSince = endpoint.until;
    }
  }

  inRosters({ standing }: ModelSession): boolean {
    return standing === 'in' || standing === 'half_open';
  }

  isSuspended({ pool, provider }: ModelSession): boolean {
    return pool.suspended.includes(provider);
  }

  blocks(session: ModelSession, target: string): boolean {
    const until = this.#endpointUntil(session);
    if (until > 0 && this.inRosters(session) && this.#makesRoom(session)) {
      session.wellSince = null;
      this.#goesOut(session, 'endpoint', until);
      return true;
    }
    const pair = session.pairs.find((one) => one.target === target);
    return pair !== undefined && (pair.trial !== null || (pair.standing === 'ejected' && pair.until > this.now));
  }

  chosen(session: ModelSession, target: string): ModelRequest {
    const request: ModelRequest = { session, target, decides: [] };
    const { provider } = session;
    const pair = session.pairs.find((one) => one.target === target && one.standing === 'ejected');
    for (const [subject, name] of [
      [provider, `provider ${this.providers.indexOf(provider)}`],
      [session, `session ${session.n}`],
      [pair, `pair ${session.n} ${target}`],
    ] as const) {
      if (subject === undefined || (subject.standing !== 'half_open' && subject !== pair)) continue;
      request.decides.push(name);
      subject.trial = request;
      if (subject !== pair) subject.standing = 'trial';
      if (subject === provider) this.#suspend(provider);
    }
    return request;
  }

  succeeded(request: ModelRequest): void {
    const { session, target } = request;
    const { provider } = session;
    if (provider.trial === request) {
      this.#recovers(provider);
      for (const pool of this.pools) this.#resume(pool, provider);
    }
    if (provider.standing === 'in') provider.refusals = 0;
    if (session.trial === request || session.standing === 'in') {
      this.#recovers(session);
      session.failures = 0;
    }
    const pair = session.pairs.find((one) => one.target === target);
    if (pair === undefined || (pair.standing !== 'in' && pair.trial !== request)) return;
    this.#recovers(pair);
    pair.failures = 0;
  }

  failed(request: ModelRequest, cause: Cause): void {
    const { harms } = CAUSES[cause];
    const { session, target } = request;
    const { provider } = session;
    const pairs = session.pairs.filter((one) => one.target === target);
    if (harms === 'session_target') this.#failsFor(session, target, request);
    else for (const pair of pairs) if (pair.trial === request) pair.trial = null;
    const own = harms === 'token' || harms === 'endpoint' || (harms === 'credential' && !provider.rotating);
    if (own) this.#failsItself(session, request, harms === 'credential');
    else if (session.trial === request) this.#halfOpens(session);
    if (provider.rotating) this.#failsProvider(request, harms);
    else if (harms === 'endpoint') this.#failsEndpoint(session);
  }

  /** As `Health.stateOf`. */
  stateOf(session: ModelSession): HealthState {
    const { provider, standing, reason, until } = session;
    if (this.isSuspended(session)) {
      return {
        health: 'ejected',
        untilMs: provider.standing === 'ejected' ? provider.until : null,
        reason: 'provider',
      };
    }
    if (standing === 'ejected') return { health: 'ejected', untilMs: until, reason };
    const endpointUntil = this.#endpointUntil(session);
    if (standing !== 'trial' && endpointUntil > 0 && this.#mayGo(session)) {
      return { health: 'ejected', untilMs: endpointUntil, reason: 'endpoint' };
    }
    if (standing !== 'in') return { health: 'half_open', untilMs: null, reason };
    if (provider.standing === 'half_open') return { health: 'half_open', untilMs: null, reason: 'provider' };
    return { health: 'healthy', untilMs: null, reason: null };
  }

  /** As `Health.countsOf`: of a suspended endpoint only those that a request came upon. */
  countsOf(pool: ModelPool): { ejected: number; halfOpen: number } {
    const halfOpen = pool.sessions.filter((one) => {
      if (this.isSuspended(one) || one.standing === 'ejected') return false;
      return one.standing !== 'in' || one.provider.standing === 'half_open';
    });
    return { ejected: this.#out(pool), halfOpen: halfOpen.length };
  }

  cap({ sessions, policy }: ModelPool): number {
    return Math.floor((sessions.length * policy.maxEjectedPercent) / 100);
  }

  #failsItself(session: ModelSession, request: ModelRequest, refused: boolean): void {
    const onTrial = session.trial === request;
    if (session.standing !== 'in' && !onTrial) return;
    session.failures++;
    if (!onTrial && !refused && session.failures < session.pool.policy.failuresToEject) return;
    if (!this.#makesRoom(session)) {
      Object.assign(session, { standing: 'in', trial: null, wellSince: null });
      return;
    }
    this.#begins(session, session.pool.policy);
    this.#goesOut(session, refused ? 'credential' : 'failures', session.until);
  }

  #failsFor(session: ModelSession, target: string, request: ModelRequest): void {
    let pair = session.pairs.find((one) => one.target === target);
    if (pair === undefined) {
      pair = { ...fresh(), target, failures: 0 };
      session.pairs.push(pair);
    }
    const onTrial = pair.trial === request;
    if (pair.standing !== 'in' && !onTrial) return;
    pair.failures++;
    if (!onTrial && pair.failures < session.pool.policy.failuresToEject) return;
    this.#begins(pair, session.pool.policy);
    Object.assign(pair, { standing: 'ejected', trial: null });
  }

  #failsProvider(request: ModelRequest, harms: string | null): void {
    const { provider, pool } = request.session;
    const onTrial = provider.trial === request;
    if (harms !== 'credential' && harms !== 'endpoint') {
      if (onTrial) this.#reopen(provider);
      return;
    }
    if (provider.standing === 'in') {
      if (harms === 'credential' && ++provider.refusals < pool.policy.failuresToEject) return;
      if (harms === 'endpoint' && !this.#isThird(provider, request.session)) return;
    } else if (!onTrial) return;
    this.#begins(provider, pool.policy);
    Object.assign(provider, { standing: 'ejected', trial: null, refusals: 0 });
    this.#suspend(provider);
  }

  #failsEndpoint(session: ModelSession): void {
    const { provider, endpoint: name, pool } = session;
    let endpoint = this.#endpoints.find((one) => one.provider === provider && one.name === name);
    if (endpoint === undefined) {
      endpoint = { ...fresh(), provider, name, failed: [] };
      this.#endpoints.push(endpoint);
    }
    if (endpoint.standing === 'ejected' || !this.#isThird(endpoint, session)) return;
    this.#begins(endpoint, pool.policy);
    endpoint.standing = 'ejected';
    this.blocks(session, '');
  }

  /** Whether three different sessions failed lately; one that was removed and came back is another. */
  #isThird(subject: ModelProvider | ModelEndpoint, who: ModelSession): boolean {
    subject.failed.push({ who, at: this.now });
    const lately = subject.failed.filter(({ at }) => this.now - at <= 10_000);
    if (new Set(lately.map((one) => one.who)).size < 3) return false;
    subject.failed = [];
    return true;
  }

  /** The cap: whether it may go out, and who comes back for it. */
  #makesRoom(session: ModelSession): boolean {
    this.#lapses(session);
    if (!this.#mayGo(session)) return false;
    if (this.isSuspended(session) || this.#out(session.pool) < this.cap(session.pool)) return true;
    this.#halfOpens(this.#leastBad(session.pool)!);
    return true;
  }

  #mayGo(session: ModelSession): boolean {
    if (this.isSuspended(session) || this.#out(session.pool) < this.cap(session.pool)) return true;
    const least = this.#leastBad(session.pool);
    if (least === undefined) return false;
    return (
      least.ejections - session.ejections < 0 ||
      (least.ejections === session.ejections && least.failures < session.failures)
    );
  }

  #leastBad(pool: ModelPool): ModelSession | undefined {
    const candidates = pool.sessions.filter((one) => one.standing === 'ejected' && !this.isSuspended(one));
    return candidates.sort((a, b) => a.ejections - b.ejections || a.failures - b.failures || a.order - b.order)[0];
  }

  #out(pool: ModelPool): number {
    return pool.sessions.filter((one) => this.isSuspended(one) || one.standing === 'ejected').length;
  }

  #settle(pool: ModelPool): void {
    while (this.#out(pool) > this.cap(pool)) {
      const least = this.#leastBad(pool);
      if (least !== undefined) this.#halfOpens(least);
      else this.#resume(pool, pool.suspended.at(-1)!);
    }
  }

  #suspend(provider: ModelProvider): void {
    for (const pool of this.pools) this.#suspendIn(pool, provider);
  }

  #suspendIn(pool: ModelPool, provider: ModelProvider): void {
    const sessions = pool.sessions.filter((one) => one.provider === provider);
    const more = sessions.filter((one) => one.standing !== 'ejected').length;
    if (sessions.length === 0 || pool.suspended.includes(provider)) return;
    if (this.#out(pool) + more <= this.cap(pool)) pool.suspended.push(provider);
  }

  #resume(pool: ModelPool, provider: ModelProvider): void {
    pool.suspended = pool.suspended.filter((one) => one !== provider);
  }

  #reopen(provider: ModelProvider): void {
    this.#halfOpens(provider);
    for (const pool of this.pools) this.#resume(pool, provider);
  }

  #halfOpens(subject: Judged): void {
    Object.assign(subject, { standing: 'half_open', trial: null });
  }

  #goesOut(session: ModelSession, reason: HealthReason, until: number): void {
    Object.assign(session, { standing: 'ejected', reason, until, trial: null, order: ++this.#order });
  }

  #begins(subject: Judged, { baseEjectionMs, maxEjectionMs }: HealthPolicy): void {
    this.#lapses(subject);
    subject.lastMs = Math.min(baseEjectionMs * 2 ** subject.ejections, maxEjectionMs);
    Object.assign(subject, { ejections: subject.ejections + 1, wellSince: null, until: this.now + subject.lastMs });
  }

  #recovers(subject: Judged): void {
    Object.assign(subject, { standing: 'in', trial: null, wellSince: subject.wellSince ?? this.now });
    this.#lapses(subject);
  }

  #lapses(subject: Cooldown): void {
    if (subject.wellSince !== null && this.now - subject.wellSince >= subject.lastMs) subject.ejections = 0;
  }

  #isDue(subject: Judged): boolean {
    return subject.standing === 'ejected' && subject.until <= this.now;
  }

  #endpointUntil({ provider, endpoint: name }: ModelSession): number {
    const found = this.#endpoints.find((one) => one.provider === provider && one.name === name);
    return found?.standing === 'ejected' && found.until > this.now ? found.until : 0;
  }
}
