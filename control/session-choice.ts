/**
 * Which session a new binding goes to: the gateway's choice, on disk and seen by the
 * gateway before the next one is made. Called by the services of assignments.
 *
 *   pool's queue: [call][call][call]… ─▶ a round: one question ─ transactions side by side ─ gateway has seen them ─▶ next
 *                                            └ a chosen session is gone by then: that call again, first in the next round
 *
 * Else two calls would be told the same session. Calls that wait together share a round,
 * and so the sync to disk; the gateway answers them as if one came after the other.
 * Pools do not wait for each other, nor calls that name their session.
 */
import type { PoolId, SessionId } from '../src/core/model.ts';
import type { AssignQuery } from '../src/core/observed.ts';
import { type Call, checkpoint, type Plane } from './call.ts';
import { DomainError } from './domain-error.ts';

/** Calls of one pool, waiting or under way; about a second of work. */
const MAX_CALLS = 1_000;
/** Calls of one round: as many as one transaction takes. */
const MAX_ROUND = 64;
/** Accounts of one round, and of one call: some milliseconds of the gateway's thread. */
const MAX_ACCOUNTS = 1_000;
/** Each try sees every write that was acknowledged before it: a second miss takes another deletion in between. */
const MAX_TRIES = 5;

/** Thrown inside the transaction when a chosen session has stopped meanwhile; rolls it back. */
export class StaleChoice extends Error {
  override readonly name = 'StaleChoice';
}

/** The session chosen for an account, null where none can serve; undefined for an account that was not asked for. */
export type Chosen = (accountName: string) => SessionId | null | undefined;

type Question = Omit<AssignQuery, 'poolId'>;

/** One call that needs sessions chosen. */
export interface Choice<T> {
  readonly call: Pick<Call, 'signal'>;
  readonly poolId: PoolId;
  /** For whom, 1,000 accounts or fewer; read anew for each try. */
  readonly ask: () => Promise<Question>;
  /** Writes and publishes what was chosen; may throw `StaleChoice`. */
  readonly write: (chosen: Chosen) => Promise<T>;
}

export type ChooseSessions = <T>(choice: Choice<T>) => Promise<T>;

interface Waiting {
  readonly choice: Choice<unknown>;
  readonly settled: PromiseWithResolvers<unknown>;
  tries: number;
}

interface Lane {
  readonly queue: Waiting[];
  /** Queued or in the round. */
  calls: number;
}

type ChoicePlane = Pick<Plane, 'gateway' | 'publisher'>;

/** The queues of a plane, empty. What `ask` and `write` throw is the caller's; a full queue is `resource_exhausted`. */
export function createSessionChoice(plane: ChoicePlane): ChooseSessions {
  const lanes = new Map<PoolId, Lane>();
  return async <T>(choice: Choice<T>): Promise<T> => {
    const { poolId } = choice;
    const running = lanes.get(poolId);
    const lane = running ?? { queue: [], calls: 0 };
    if (lane.calls >= MAX_CALLS) {
      throw new DomainError('resource_exhausted', 'poolId: too many assignments of this pool are under way', [], 1);
    }
    const settled = Promise.withResolvers<unknown>();
    lane.queue.push({ choice, settled, tries: 0 });
    lane.calls++;
    if (running === undefined) {
      lanes.set(poolId, lane);
      void runLane(plane, poolId, lane, () => lanes.delete(poolId));
    }
    try {
      return (await settled.promise) as T;
    } finally {
      lane.calls--;
    }
  };
}

/** Takes rounds until nobody waits, then `end`s in the same turn. Never rejects: what fails is told to the calls. */
async function runLane(plane: ChoicePlane, poolId: PoolId, lane: Lane, end: () => void): Promise<void> {
  while (lane.queue.length > 0) {
    const round = await gatherRound(lane.queue);
    if (round.length === 0) continue;
    const accountNames = round.flatMap(({ question }) => question.accountNames);
    const { exclude } = round[0]!.question;
    try {
      const ids = accountNames.length === 0 ? [] : await plane.gateway.leastAssigned({ poolId, accountNames, exclude });
      const byName = new Map(accountNames.map((name, index) => [name, ids[index] ?? null]));
      const stale = (await Promise.all(round.map((asked) => writeOne(asked, byName)))).filter((call) => call !== null);
      if (stale.length === 0) continue;
      // What the store knew, the gateway may not yet: an empty place behind it in the queue is reached when it does.
      await plane.publisher.reserve().publish([]);
      lane.queue.unshift(...stale);
    } catch (error) {
      for (const { waiting } of round) waiting.settled.reject(error);
    }
  }
  end();
}

interface Asked {
  readonly waiting: Waiting;
  readonly question: Question;
}

/** Takes calls off the queue as long as their questions can be put as one. */
async function gatherRound(queue: Waiting[]): Promise<Asked[]> {
  const round: Asked[] = [];
  const names = new Set<string>();
  while (queue.length > 0 && round.length < MAX_ROUND) {
    const waiting = queue[0]!;
    const question = await askOne(waiting);
    if (question !== null && round.length > 0) {
      const isAlone = question.exclude !== null || round[0]!.question.exclude !== null;
      // An account that stands in the round already may be bound by it: then it must not be chosen for.
      const isKnown = question.accountNames.some((name) => names.has(name));
      if (isAlone || isKnown || names.size + question.accountNames.length > MAX_ACCOUNTS) break;
    }
    queue.shift();
    if (question === null) continue;
    round.push({ waiting, question });
    for (const name of question.accountNames) names.add(name);
  }
  return round;
}

/** The call's question; null, and the call is settled, when there is none. */
async function askOne({ choice, settled }: Waiting): Promise<Question | null> {
  try {
    checkpoint(choice.call);
    return await choice.ask();
  } catch (error) {
    settled.reject(error);
    return null;
  }
}

/** Writes one call of a round and settles it; answers the call when it must be tried again. */
async function writeOne(
  { waiting, question }: Asked,
  byName: ReadonlyMap<string, SessionId | null>,
): Promise<Waiting | null> {
  const { choice, settled } = waiting;
  const own = new Set(question.accountNames);
  try {
    settled.resolve(await choice.write((name) => (own.has(name) ? byName.get(name) : undefined)));
    return null;
  } catch (error) {
    if (error instanceof StaleChoice && ++waiting.tries < MAX_TRIES) return waiting;
    settled.reject(error instanceof StaleChoice ? new DomainError('unavailable') : error);
    return null;
  }
}
