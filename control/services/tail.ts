/**
 * TailRequests: a stream of the records of requests as they finish. While somebody
 * listens, the gateway's ring is looked at five times a second; nobody is waited
 * for, so a reader who is slower than the ring is told that something passed it by.
 *
 *   place taken ─ where is now? ─┬─ look on from there ─ records, missed ─▶ messages ─┐
 *                                └──────────── 200 ms, or at once after a full page ──┘
 *   ends: client gone, deadline, an hour, draining, key or workspace gone
 *
 * Bounded: places in all and by key; one page of records at a time, and the next
 * only when the client took the last.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import type { ApiKeyId, PoolId, SessionId, WorkspaceId } from '../../src/core/model.ts';
import type { RequestFilter, RequestPage } from '../../src/core/observed.ts';
import { type Call, callOf, checkpoint, type Plane, workspaceOf } from '../call.ts';
import { idFrom } from '../convert/ids.ts';
import { requestMessage } from '../convert/observed.ts';
import { DomainError, notFound } from '../domain-error.ts';
import {
  type Proxies,
  type TailRequestsRequest,
  type TailRequestsResponse,
  TailRequestsResponseSchema,
} from '../gen/proxies/v1/proxies_pb.ts';
import { LONGEST_STREAM_MS } from '../interceptors/deadline.ts';

const INTERVAL_MS = 200;
/** Records of one look. */
const PAGE_RECORDS = 500;
/** A stream that has nothing to say says that, so that the client knows it lives, and we that the client does. */
const SILENCE_MS = 5_000;
const MAX_TAILS = 100;
const MAX_TAILS_PER_KEY = 10;
/** What a client that finds no place is told to wait, seconds. */
const RETRY_SECONDS = 5;

export function tailRequests(plane: Plane): ServiceImpl<typeof Proxies>['tailRequests'] {
  const takePlace = createPlaces();
  return async function* tail(request, { values }) {
    const call = callOf(values);
    const filter = filterOf(request, workspaceOf(call));
    const leave = takePlace(call.caller.keyId);
    // A reader that is stuck may never come back to end this generator: it keeps its place no longer than others.
    call.signal.addEventListener('abort', leave, { once: true });
    const longest = setTimeout(leave, LONGEST_STREAM_MS).unref();
    try {
      yield* follow(plane, call, filter);
    } finally {
      clearTimeout(longest);
      call.signal.removeEventListener('abort', leave);
      leave();
    }
  };
}

async function* follow(plane: Plane, call: Call, filter: RequestFilter): AsyncGenerator<TailRequestsResponse> {
  let { sequence } = await look(plane, filter, -1);
  let spokeMs = plane.clock.monotonicMs();
  for (;;) {
    refuseToGoOn(plane, call, filter.workspaceId);
    const page = await look(plane, filter, sequence);
    sequence = page.sequence;
    const silent = plane.clock.monotonicMs() - spokeMs >= SILENCE_MS;
    const messages = messagesOf(page, silent);
    yield* messages;
    if (messages.length > 0) spokeMs = plane.clock.monotonicMs();
    // An aborted wait is an end that the next round finds.
    if (page.records.length < PAGE_RECORDS) await sleep(INTERVAL_MS, null, { signal: call.signal }).catch(() => null);
  }
}

async function look(plane: Plane, filter: RequestFilter, afterSequence: number): Promise<RequestPage> {
  const page = await plane.gateway.listRequests({ filter, afterSequence, limit: PAGE_RECORDS });
  if (page.missed > 0) plane.log.warn({ missed: page.missed }, 'a tail was too slow for the requests');
  return page;
}

/** The records, the first says whether some were missed before it; without records a message of its own for that, or against silence. */
function messagesOf({ records, missed }: RequestPage, silent: boolean): TailRequestsResponse[] {
  if (records.length === 0) {
    return missed > 0 || silent ? [create(TailRequestsResponseSchema, { missed: missed > 0 })] : [];
  }
  return records.map((record, index) =>
    create(TailRequestsResponseSchema, {
      request: requestMessage(record),
      missed: index === 0 && missed > 0,
    }),
  );
}

/** What the gate and the workspace's scope asked when the stream began must still be so. */
function refuseToGoOn(plane: Plane, call: Call, workspaceId: WorkspaceId): void {
  checkpoint(call);
  if (!plane.isServing()) throw new DomainError('unavailable');
  if (plane.clock.monotonicMs() - call.startedMs >= LONGEST_STREAM_MS) throw new DomainError('deadline_exceeded');
  if (!call.isStillAllowed()) throw new DomainError('unauthenticated');
  if (!plane.access.hasWorkspace(workspaceId)) throw notFound();
}

function filterOf(request: TailRequestsRequest, workspaceId: WorkspaceId): RequestFilter {
  return {
    workspaceId,
    poolId: request.poolId === undefined ? null : idFrom<PoolId>(request.poolId),
    sessionId: request.sessionId === undefined ? null : idFrom<SessionId>(request.sessionId),
    accountName: request.accountName ?? null,
    cause: request.cause ?? null,
  };
}

/** Places for tails: taking one answers how to leave it (idempotent), or throws `resource_exhausted`. */
function createPlaces(): (keyId: ApiKeyId) => () => void {
  const taken = new Map<ApiKeyId, number>();
  let total = 0;
  return (keyId) => {
    const ofKey = taken.get(keyId) ?? 0;
    if (total >= MAX_TAILS || ofKey >= MAX_TAILS_PER_KEY) {
      const detail = `At most ${MAX_TAILS_PER_KEY} streams of requests for one key, ${MAX_TAILS} in all.`;
      throw new DomainError('resource_exhausted', detail, [], RETRY_SECONDS);
    }
    total++;
    taken.set(keyId, ofKey + 1);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      total--;
      const rest = (taken.get(keyId) ?? 1) - 1;
      if (rest === 0) taken.delete(keyId);
      else taken.set(keyId, rest);
    };
  };
}
