/**
 * What the gateway can tell of the requests it carried: their traffic, to the
 * octet, and their records. Every exchange reports here when it has found a session,
 * when it moves to another, and when it ends.
 *
 *   exchange ── place ──▶ under way ── drain, move, finish ─▶ tally   (what moved since last booked)
 *        └───── finish ───────────────────────────────────▶ ring    (one record)
 *
 * Invariant: the sum of all that was drained is the sum of what the finished
 * exchanges say, whatever became of their sessions meanwhile, and of what those under
 * way had moved when they were last walked.
 */
import type { Cause } from '../src/core/cause.ts';
import type { Clock } from '../src/core/clock.ts';
import type { Route } from '../src/core/model.ts';
import type { FinishedRequest, RequestPage, RequestQuery, UsageDelta } from '../src/core/observed.ts';
import type { RequestNames } from '../src/core/request-ids.ts';
import { RequestRing } from '../src/core/request-ring.ts';
import { MAX_REPORT, UsageTally } from '../src/core/usage-tally.ts';
import type { Exchange } from './exchange.ts';
import { UnderWay } from './under-way.ts';

export class Ledger {
  readonly #clock: Clock;
  readonly #tally = new UsageTally();
  readonly #ring: RequestRing;
  readonly #underWay = new UnderWay<Exchange>();
  /** A report was begun and its last page is still to be asked for. */
  #reporting = false;

  constructor(clock: Clock, names: RequestNames) {
    this.#clock = clock;
    this.#ring = new RequestRing(names);
  }

  /** Requests under way that have a session. */
  get underWay(): number {
    return this.#underWay.size;
  }

  /** An exchange was given a route: from now on what it moves is booked to its session. */
  begin(exchange: Exchange): void {
    exchange.route!.live!.began();
    this.#underWay.add(exchange);
  }

  /** An exchange left its route, which failed it with `cause`, for another: what it moved so far is booked to the old one. */
  move(exchange: Exchange, route: Route, cause: Cause): void {
    this.#book(exchange, this.#clock.nowMs(), false);
    const left = exchange.route!.live!;
    left.inflight--;
    left.lastCause = cause;
    exchange.route = route;
    route.live!.inflight++;
  }

  /** An exchange ended: the rest of its traffic is booked, and a record kept if we know whose it was. */
  finish(exchange: Exchange): void {
    const { route, cause } = exchange;
    const nowMs = this.#clock.nowMs();
    if (route !== null) {
      const live = route.live!;
      live.ended();
      if (cause !== null) live.lastCause = cause;
      this.#underWay.remove(exchange);
      this.#book(exchange, nowMs, true);
    }
    if (exchange.key !== null) exchange.record(this.#ring.claim(), nowMs);
  }

  /**
   * One page of a report: at most MAX_REPORT entries, fewer on its last page. Its first
   * page begins it, with what is under way looked at, in slices.
   */
  async drainUsage(): Promise<readonly UsageDelta[]> {
    if (!this.#reporting) {
      const nowMs = this.#clock.nowMs();
      await this.#underWay.walk((exchange) => this.#book(exchange, nowMs, false));
      this.#tally.rollOver();
    }
    const page = this.#tally.take();
    this.#reporting = page.length === MAX_REPORT;
    return page;
  }

  findRequest(requestId: string): FinishedRequest | null {
    return this.#ring.find(requestId);
  }

  listRequests(query: RequestQuery): RequestPage {
    return this.#ring.list(query);
  }

  /** Books what an exchange moved since it was last booked, and the exchange itself if it has ended. */
  #book(exchange: Exchange, nowMs: number, ended: boolean): void {
    const octetsOut = exchange.bytesOut - exchange.bookedOut;
    const octetsIn = exchange.bytesIn - exchange.bookedIn;
    if (octetsOut === 0 && octetsIn === 0 && !ended) return;
    const route = exchange.route!;
    const entry = this.#tally.entryOf(nowMs, exchange.key!.workspaceId, route, exchange.accountName);
    entry.bytesOut += octetsOut;
    entry.bytesIn += octetsIn;
    if (ended) entry.requestCount++;
    if (ended && exchange.cause !== null) entry.errorCount++;
    const live = route.live!;
    live.bytesOut += octetsOut;
    live.bytesIn += octetsIn;
    exchange.bookedOut = exchange.bytesOut;
    exchange.bookedIn = exchange.bytesIn;
  }
}
