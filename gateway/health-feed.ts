/**
 * How the health of sessions is told of the attempts over them. `exchange.ts` is the
 * only one that tells: of each attempt exactly one of the three, whichever way
 * it ends, so that a session that was chosen for a trial is never left waiting.
 *
 *   placed ─▶ succeeded | failed | abandoned
 *                └─▶ failed, once more, when an answer that had begun went wrong
 */
import { CAUSES, type Cause, type Harm } from '../src/core/cause.ts';
import type { Route } from '../src/core/model.ts';

/** Called in the turn of the event loop in which it happens; must not throw. `trial` is what the choice gave along. */
export interface HealthFeed {
  /** A tunnel to the target is open, or the head of a response came. */
  succeeded(route: Route, targetHost: string, trial: number): void;
  /**
   * The attempt ended with a cause that harms whom `harmOf` says. Of an attempt that had succeeded: its answer ended in a way that harms
   * the token, or the session at this target; this is told in addition, and at most once.
   */
  failed(route: Route, targetHost: string, cause: Cause, trial: number, harms: Harm): void;
  /** It ended in a way that says nothing of the session: its client is gone, it was revoked, a limit of ours. */
  abandoned(route: Route, targetHost: string, trial: number): void;
}

/**
 * Whom a cause harms. What goes wrong in a tunnel that is open is between the session and its target, whoever of the
 * two it was: the endpoint and the credential have done what they are for.
 */
export function harmOf(cause: Cause, inTunnel: boolean): Harm {
  const { harms } = CAUSES[cause];
  return inTunnel && harms !== null ? 'session_target' : harms;
}
