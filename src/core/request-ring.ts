/**
 * The requests that finished lately, in the order they did: a ring that the
 * gateway writes one record a request into, and that the control plane looks
 * through. Nobody waits for a reader: who is slower than the ring turns over is
 * told how many records it missed.
 *
 *   sequence:  … 41  42 │ 43  44  45 …  10,042      next: 10,043 takes the place of 43
 *              overwritten └──── kept ────────┘
 */
import type { FinishedRequest, RequestFilter, RequestPage, RequestQuery } from './observed.ts';

/** Records kept. */
export const MAX_FINISHED_REQUESTS = 10_000;
/** Records answered at once: copying them to the other thread takes a few milliseconds. */
export const MAX_PAGE = 1_000;

export class RequestRing {
  readonly #records: (FinishedRequest | null)[];
  #last = 0;

  constructor(capacity: number = MAX_FINISHED_REQUESTS) {
    this.#records = new Array<FinishedRequest | null>(capacity).fill(null);
  }

  /** The sequence number that the next record must have. */
  get nextSequence(): number {
    return this.#last + 1;
  }

  push(record: FinishedRequest): void {
    this.#last++;
    this.#records[record.sequence % this.#records.length] = record;
  }

  /** The record of a request; null when it is not kept (any more). Looks through the ring, newest first. */
  find(requestId: string): FinishedRequest | null {
    for (let sequence = this.#last; sequence >= this.#oldest(); sequence--) {
      const record = this.#at(sequence);
      if (record.requestId === requestId) return record;
    }
    return null;
  }

  /** Records after a sequence number that pass the filter, oldest first. */
  list({ filter, afterSequence, limit }: RequestQuery): RequestPage {
    const last = this.#last;
    if (afterSequence < 0 || afterSequence > last) return { records: [], sequence: last, missed: 0 };
    const from = Math.max(afterSequence + 1, this.#oldest());
    const records: FinishedRequest[] = [];
    const most = Math.min(limit, MAX_PAGE);
    let sequence = from - 1;
    while (sequence < last && records.length < most) {
      const record = this.#at(++sequence);
      if (passes(record, filter)) records.push(record);
    }
    return { records, sequence, missed: from - afterSequence - 1 };
  }

  #oldest(): number {
    return Math.max(1, this.#last - this.#records.length + 1);
  }

  #at(sequence: number): FinishedRequest {
    return this.#records[sequence % this.#records.length]!;
  }
}

function passes(record: FinishedRequest, filter: RequestFilter): boolean {
  return (
    record.workspaceId === filter.workspaceId &&
    (filter.poolId === null || record.poolId === filter.poolId) &&
    (filter.sessionId === null || record.sessionId === filter.sessionId) &&
    (filter.accountName === null || record.accountName === filter.accountName) &&
    (filter.cause === null || (record.cause ?? 'ok') === filter.cause)
  );
}
