/**
 * The requests that finished lately, in the order they did: a ring that the
 * gateway writes one record a request into, and that the control plane looks
 * through. Nobody waits for a reader: who is slower than the ring turns over is
 * told how many records it missed.
 *
 *   sequence:  … 41  42 │ 43  44  45 …  10,042      next: 10,043 takes the place of 43
 *              overwritten └──── kept ────────┘
 *
 * A place is written over, not replaced: ten thousand young objects that outlive
 * their youth were most of what each collection had to copy. So readers get copies.
 */
import type { ApiKeyId, PoolId, SessionId, WorkspaceId } from './model.ts';
import type { AttemptRecord, FinishedRequest, RequestFilter, RequestPage, RequestQuery } from './observed.ts';
import type { Move } from './pool-index/choice.ts';
import type { RequestNames } from './request-ids.ts';

/** Records kept. */
export const MAX_FINISHED_REQUESTS = 10_000;
/** Records answered at once: copying them to the other thread takes a few milliseconds. */
export const MAX_PAGE = 1_000;

/** A record as it is kept: as `FinishedRequest`, but for its request's id, and for what is −1 where that has null. */
export class RecordSlot {
  sequence = 0;
  requestNumber = 0;
  workspaceId = '' as WorkspaceId;
  startedAtMs = 0;
  clientAddress = '';
  keyId = '' as ApiKeyId;
  identifiedBy = '';
  poolId: PoolId | null = null;
  sessionId: SessionId | null = null;
  accountName = '';
  moved: Move | null = null;
  targetHost = '';
  targetPort = 0;
  kind: 'forward' | 'connect' = 'forward';
  status = 0;
  stage = '';
  cause: FinishedRequest['cause'] = null;
  /** Those before the last; null: there were none. */
  earlier: readonly AttemptRecord[] | null = null;
  /** −1: no attempt was made. */
  lastAttemptMs = -1;
  resolveMs = 0;
  dialMs = -1;
  firstByteMs = -1;
  durationMs = 0;
  bytesOut = 0;
  bytesIn = 0;

  /** A copy, as it is told. */
  read(names: RequestNames): FinishedRequest {
    const { requestNumber, earlier, lastAttemptMs, sessionId, cause, accountName, dialMs, firstByteMs, ...rest } = this;
    const attempts = earlier === null ? [] : [...earlier];
    if (lastAttemptMs !== -1) attempts.push({ sessionId: sessionId!, cause, ms: lastAttemptMs });
    return {
      ...rest,
      requestId: names.textOf(requestNumber),
      sessionId,
      cause,
      attempts,
      accountName: accountName === '' ? null : accountName,
      dialMs: dialMs === -1 ? null : dialMs,
      firstByteMs: firstByteMs === -1 ? null : firstByteMs,
    };
  }
}

export class RequestRing {
  readonly #names: RequestNames;
  readonly #records: (RecordSlot | null)[];
  #last = 0;

  constructor(names: RequestNames, capacity: number = MAX_FINISHED_REQUESTS) {
    this.#names = names;
    this.#records = new Array<RecordSlot | null>(capacity).fill(null);
  }

  /** The place of the next record, its sequence number set: the caller writes all else in this turn. */
  claim(): RecordSlot {
    const sequence = ++this.#last;
    const index = sequence % this.#records.length;
    const slot = this.#records[index] ?? new RecordSlot();
    this.#records[index] = slot;
    slot.sequence = sequence;
    return slot;
  }

  /** The record of a request; null when it is not kept (any more). Looks through the ring, newest first. */
  find(requestId: string): FinishedRequest | null {
    const number = this.#names.numberOf(requestId);
    if (number === 0) return null;
    for (let sequence = this.#last; sequence >= this.#oldest(); sequence--) {
      const record = this.#at(sequence);
      if (record.requestNumber === number) return record.read(this.#names);
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
      if (passes(record, filter)) records.push(record.read(this.#names));
    }
    return { records, sequence, missed: from - afterSequence - 1 };
  }

  #oldest(): number {
    return Math.max(1, this.#last - this.#records.length + 1);
  }

  #at(sequence: number): RecordSlot {
    return this.#records[sequence % this.#records.length]!;
  }
}

function passes(record: RecordSlot, filter: RequestFilter): boolean {
  return (
    record.workspaceId === filter.workspaceId &&
    (filter.poolId === null || record.poolId === filter.poolId) &&
    (filter.sessionId === null || record.sessionId === filter.sessionId) &&
    (filter.accountName === null || (record.accountName !== '' && record.accountName === filter.accountName)) &&
    (filter.cause === null || (record.cause ?? 'ok') === filter.cause)
  );
}
