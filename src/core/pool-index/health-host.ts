/**
 * What the index does for health: takes sessions and groups out of rosters, and puts them
 * back. And how the gateway tells health of attempts, by their routes: of a session
 * that is gone meanwhile, or goes by another route, nothing is heard but that the attempt
 * is over. It may be a trial, which nobody else would end: a session that was disabled
 * and enabled meanwhile is the same one to health.
 */
import { CAUSES, type Cause, type Harm } from '../cause.ts';
import type { Route } from '../model.ts';
import type { Group } from './group.ts';
import type { Health } from './health.ts';
import { Member } from './member.ts';
import type { HealthHost } from './patient.ts';
import { baseOf } from './request-route.ts';

export const INDEX_HOST: HealthHost = {
  takeOut(member: Member): void {
    member.group.pool.bench(member, true);
  },
  putBack(member: Member): void {
    member.group.pool.bench(member, false);
  },
  suspend(group: Group): void {
    group.suspended = true;
    group.pool.admit(group);
  },
  resume(group: Group): void {
    group.suspended = false;
    group.pool.admit(group);
  },
  endpointOf(member: Member) {
    return member.route ?? member.group.provider.state.endpoint;
  },
};

/** The ends of attempts, as the gateway knows them. */
export class HealthReports {
  readonly #health: Health;

  constructor(health: Health) {
    this.#health = health;
  }

  /** A tunnel to the target is open, or the head of a response came. */
  succeeded(route: Route, targetHost: string, trial: number): void {
    const member = memberOf(route);
    if (member === null) return;
    if (isOwnRoute(member, route)) this.#health.succeeded(member, targetHost, trial);
    else this.#health.abandoned(member, targetHost, trial);
  }

  /** The attempt ended with a cause that harms; or its answer did, after it had succeeded. */
  failed(route: Route, targetHost: string, cause: Cause, trial: number, harms: Harm = CAUSES[cause].harms): void {
    const member = memberOf(route);
    if (member === null) return;
    if (isOwnRoute(member, route)) this.#health.failed(member, targetHost, cause, trial, harms);
    else this.#health.abandoned(member, targetHost, trial);
  }

  /** It ended in a way that says nothing of the session. */
  abandoned(route: Route, targetHost: string, trial: number): void {
    const member = memberOf(route);
    if (member !== null) this.#health.abandoned(member, targetHost, trial);
  }
}

function memberOf(route: Route): Member | null {
  const member = route.live?.watcher;
  return member instanceof Member && !member.group.gone ? member : null;
}

/** Whether the member goes by this very route still. */
function isOwnRoute(member: Member, route: Route): boolean {
  return member.route === baseOf(route);
}
