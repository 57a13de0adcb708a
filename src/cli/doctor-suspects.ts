/**
 * Sessions that failed of late, each asked by itself: a pool that has enough others hides them. Who
 * failed once may be well again, which only a request can tell.
 */
import { type Pool, type Session, SessionHealth, type SessionState, uuidOf } from '../../client/client.ts';
import { usernameFor } from '../../client/session-username.ts';
import { adviceFor, askGateway, isOpened } from './doctor-tunnel.ts';
import { bad, doubtful, type Finding, good } from './finding.ts';
import { allPools } from './names.ts';
import type { Operator } from './operator.ts';

/** States of a pool that are looked at, and sessions of it that are asked. */
const LOOKED_AT = 1_000;
const ASKED = 5;

/** One CONNECT through each of the sessions whose last failure is on record, some of each pool. */
export async function* checkSuspects(operator: Operator, gateway: URL, target: string): AsyncGenerator<Finding> {
  const workspaceId = await operator.workspaceId();
  const { proxies } = operator.api;
  for await (const pool of allPools(operator)) {
    const { states } = await proxies.listSessionStates({ workspaceId, poolId: pool.id, limit: LOOKED_AT });
    const suspects = pool.enabled ? states.filter(isSuspect).slice(0, ASKED) : [];
    if (suspects.length === 0) continue;
    const sessionIds = suspects.map(({ sessionId }) => sessionId);
    const { sessions } = await proxies.batchGetSessions({ workspaceId, sessionIds });
    const tokens = new Map(sessions.map((session) => [uuidOf(session.id), session]));
    for (const state of suspects) {
      const session = tokens.get(uuidOf(state.sessionId));
      if (session === undefined) continue;
      const failure = await failureOf(operator, gateway, target, pool, session, state);
      const what = `session ${session.token}`;
      if (failure === null) yield good(what, `it failed before (${state.lastCause}), and a tunnel to ${target} opened`);
      // Where others serve, requests come through all the same.
      else
        yield (failure.isSure && states.length === suspects.length ? bad : doubtful)(
          what,
          failure.text,
          failure.advice,
        );
    }
  }
}

function isSuspect({ lastCause, health }: SessionState): boolean {
  return lastCause !== undefined && health !== SessionHealth.DISABLED && health !== SessionHealth.UNUSABLE;
}

interface Failure {
  readonly text: string;
  readonly advice: string;
  /** Whether it fails now, and did not only once. */
  readonly isSure: boolean;
}

/** Why a tunnel through this very session does not open; null when it does. */
async function failureOf(
  operator: Operator,
  gateway: URL,
  target: string,
  pool: Pool,
  { token }: Session,
  { lastCause = '', health }: SessionState,
): Promise<Failure | null> {
  if (health === SessionHealth.EJECTED) {
    const text = `pool ${pool.name} leaves it out for its failures: ${lastCause}`;
    return { text, advice: adviceFor(lastCause), isSure: true };
  }
  const username = usernameFor(pool.name, token);
  if (username === null) {
    const text = `its last failure was ${lastCause}; no username names its token, so that it is not asked`;
    return { text, advice: adviceFor(lastCause), isSure: false };
  }
  const answer = await askGateway(gateway, username, operator.apiKey, target);
  if (typeof answer === 'string') return { text: `no answer (${answer})`, advice: adviceFor(''), isSure: true };
  if (isOpened(answer)) return null;
  const { status, cause, requestId } = answer;
  return {
    text: `a tunnel to ${target} did not open: ${status} ${cause} (request ${requestId})`,
    advice: adviceFor(cause),
    isSure: true,
  };
}
