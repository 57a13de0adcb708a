/** What a gateway tells of its work, for tests that stand in for one. */
import { randomUUID } from 'node:crypto';
import type { ApiKeyId, WorkspaceId } from '../../src/core/model.ts';
import type { FinishedRequest } from '../../src/core/observed.ts';
import type { RequestNames } from '../../src/core/request-ids.ts';
import { RequestRing } from '../../src/core/request-ring.ts';

/** The record of a forwarded request that went well; `over` changes what a test is about. */
export function finishedRequest(workspaceId: WorkspaceId, over: Partial<FinishedRequest> = {}): FinishedRequest {
  return {
    sequence: 1,
    requestId: randomUUID(),
    workspaceId,
    startedAtMs: Date.UTC(2026, 1, 3, 4, 5, 6, 789),
    clientAddress: '127.0.0.1:50000',
    keyId: randomUUID() as ApiKeyId,
    identifiedBy: 'credentials',
    poolId: null,
    sessionId: null,
    accountName: null,
    moved: null,
    targetHost: 'a.test',
    targetPort: 80,
    kind: 'forward',
    status: 200,
    stage: 'relay',
    cause: null,
    attempts: [],
    resolveMs: 0.0125,
    dialMs: null,
    firstByteMs: null,
    durationMs: 12.5,
    bytesOut: 70,
    bytesIn: 200,
    ...over,
  };
}

/** Any text may be a request's id: its number is its place among them. */
class AnyNames implements RequestNames {
  readonly #texts: string[] = [];
  readonly #numbers = new Map<string, number>();

  give(text: string): number {
    const number = this.numberOf(text) || this.#texts.push(text);
    this.#numbers.set(text, number);
    return number;
  }

  textOf(number: number): string {
    return this.#texts[number - 1]!;
  }

  numberOf(text: string): number {
    return this.#numbers.get(text) ?? 0;
  }
}

const names = new AnyNames();

/** A ring for `putRecord`. */
export function newRing(capacity?: number): RequestRing {
  return new RequestRing(names, capacity);
}

/** Writes a record into a ring, as the gateway would; answers it as it is told. */
export function putRecord(ring: RequestRing, record: FinishedRequest): FinishedRequest {
  const slot = ring.claim();
  const { sequence: _, requestId, attempts, accountName, dialMs, firstByteMs, ...rest } = record;
  Object.assign(slot, rest);
  slot.requestNumber = names.give(requestId);
  slot.accountName = accountName ?? '';
  slot.earlier = attempts;
  slot.lastAttemptMs = -1;
  slot.dialMs = dialMs ?? -1;
  slot.firstByteMs = firstByteMs ?? -1;
  return slot.read(names);
}

/** Finishes a request at a ring; answers its record. */
export function finishAt(ring: RequestRing, workspaceId: WorkspaceId, over: Partial<FinishedRequest> = {}) {
  return putRecord(ring, finishedRequest(workspaceId, over));
}
