/**
 * Requests at a fixed rate, whatever the answers do: one that finds every connection busy waits for one, and
 * its time counts from when its turn came, so that a gateway which stalls is charged for all that it kept waiting.
 * Turns are seen by a timer of a millisecond.
 *
 *   turn ─▶ a connection that rests ─▶ answered ─▶ it serves whoever waits longest, or rests
 *     └───▶ waits, first come, first served; dropped where too many do
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Lane, OnAnswer } from './lane.ts';
import { WaitingLine } from './waiting-line.ts';

/** Who counts. Times are seconds. */
export interface OpenLoopSink {
  /** A turn was seen so late: what the load itself owes. */
  turn(late: number): void;
  /** A request was answered so long after its turn; `fault` is null, or says what came instead. */
  answered(seconds: number, fault: string | null): void;
  /** A request was not sent, as too many wait. */
  dropped(): void;
}

export interface OpenLoopPlan {
  readonly perSecond: number;
  /** Requests that may wait for a connection. */
  readonly maxWaiting: number;
  readonly openLanes: (onAnswer: OnAnswer) => readonly Lane[];
}

const TICK_MS = 1;
const LOOK_MS = 5;

export class OpenLoop {
  readonly lanes: readonly Lane[];
  /** Requests sent or waiting. */
  underWay = 0;
  readonly #perMs: number;
  readonly #maxWaiting: number;
  readonly #sink: OpenLoopSink;
  /** Since when each request without a connection waits; `performance.now()`. */
  readonly #waiting = new WaitingLine();
  readonly #idle: Lane[];
  /** When the turn of the request under way on a lane came. */
  readonly #since = new Map<Lane, number>();
  #timer: NodeJS.Timeout | null = null;

  constructor({ perSecond, maxWaiting, openLanes }: OpenLoopPlan, sink: OpenLoopSink) {
    this.#perMs = perSecond / 1_000;
    this.#maxWaiting = maxWaiting;
    this.#sink = sink;
    this.lanes = openLanes((lane, _seconds, fault) => this.#onAnswer(lane, fault));
    this.#idle = [...this.lanes];
  }

  start(): void {
    const startMs = performance.now();
    let turns = 0;
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      for (const due = Math.floor((nowMs - startMs) * this.#perMs); turns < due; turns++) {
        this.#sink.turn((nowMs - startMs - (turns + 1) / this.#perMs) / 1_000);
        this.#send(nowMs);
      }
    }, TICK_MS);
  }

  /** No turn comes any more; resolves when nothing is under way, or after `ms`. */
  async stop(ms: number): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    for (const end = performance.now() + ms; this.underWay > 0 && performance.now() < end; ) await sleep(LOOK_MS);
  }

  /** Closes all connections. */
  end(): void {
    for (const lane of this.lanes) lane.end();
  }

  #send(since: number): void {
    if (this.#waiting.length >= this.#maxWaiting) return this.#sink.dropped();
    this.underWay++;
    // The connection that rested longest: all of them take part.
    const lane = this.#idle.shift();
    if (lane === undefined) this.#waiting.push(since);
    else this.#sendBy(lane, since);
  }

  #sendBy(lane: Lane, since: number): void {
    this.#since.set(lane, since);
    lane.send();
  }

  #onAnswer(lane: Lane, fault: string | null): void {
    this.underWay--;
    this.#sink.answered((performance.now() - this.#since.get(lane)!) / 1_000, fault);
    // A broken connection waits a turn of the event loop: a gateway that is gone must not be dialled without end in one.
    if (fault === null) this.#next(lane);
    else setImmediate(() => this.#next(lane));
  }

  #next(lane: Lane): void {
    const since = this.#waiting.shift();
    if (since === undefined) this.#idle.push(lane);
    else this.#sendBy(lane, since);
  }
}
