/** From what the gateway told (traffic, live states, records of requests, explanations) to messages. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Duration, DurationSchema, timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { SessionId } from '../../src/core/model.ts';
import type { Explanation, FinishedRequest, SessionHealth, SessionLiveState } from '../../src/core/observed.ts';
import * as pb from '../gen/proxies/v1/proxies_pb.ts';
import type { UsageRow } from '../store/usage.ts';
import { dateFromDay } from './days.ts';
import { idBytes } from './ids.ts';

/** How a request that went well ended, where messages name a cause. */
export const WENT_WELL = 'ok';

export function usageMessage(row: UsageRow): pb.UsageRecord {
  return create(pb.UsageRecordSchema, {
    workspaceId: idBytes(row.workspaceId),
    providerId: idBytes(row.providerId),
    poolId: idBytes(row.poolId),
    sessionId: idBytes(row.sessionId),
    accountName: row.accountName,
    usageDate: dateFromDay(row.day),
    requestCount: row.requestCount,
    errorCount: row.errorCount,
    bytesOut: row.bytesOut,
    bytesIn: row.bytesIn,
  });
}

const HEALTH: { readonly [health in SessionHealth]: pb.SessionHealth } = {
  healthy: pb.SessionHealth.HEALTHY,
  ejected: pb.SessionHealth.EJECTED,
  half_open: pb.SessionHealth.HALF_OPEN,
  disabled: pb.SessionHealth.DISABLED,
};

/** A session's state; `live` is null for one that the gateway does not have, as it is not given the unusable ones. */
export function stateMessage(sessionId: SessionId, unusable: boolean, live: SessionLiveState | null): pb.SessionState {
  const init: MessageInitShape<typeof pb.SessionStateSchema> = { sessionId: idBytes(sessionId) };
  if (live !== null) {
    init.health = HEALTH[live.health];
    init.inflight = live.inflight;
    if (live.lastCause !== null) init.lastCause = live.lastCause;
    if (live.ejectedUntilMs !== null) init.ejectedUntil = timestampFromMs(Math.round(live.ejectedUntilMs));
    if (live.latencyMs !== null) init.latency = durationFrom(live.latencyMs);
    init.bytesOut = BigInt(live.bytesOut);
    init.bytesIn = BigInt(live.bytesIn);
  }
  if (unusable) init.health = pb.SessionHealth.UNUSABLE;
  return create(pb.SessionStateSchema, init);
}

export function requestMessage(record: FinishedRequest): pb.RequestRecord {
  const { poolId, sessionId, accountName, firstByteMs, dialMs } = record;
  return create(pb.RequestRecordSchema, {
    requestId: record.requestId,
    startedAt: timestampFromMs(Math.round(record.startedAtMs)),
    clientAddress: record.clientAddress,
    apiKeyId: idBytes(record.keyId),
    identifiedBy: record.identifiedBy,
    ...(record.moved !== null && {
      movedFromSessionId: idBytes(record.moved.from),
      moveReason: record.moved.reason,
    }),
    ...(poolId !== null && { poolId: idBytes(poolId) }),
    ...(sessionId !== null && { sessionId: idBytes(sessionId) }),
    ...(accountName !== null && { accountName }),
    targetHost: record.targetHost,
    targetPort: record.targetPort,
    kind: record.kind,
    status: record.status,
    stage: record.stage,
    cause: record.cause ?? WENT_WELL,
    attempts: record.attempts.map((attempt) => ({
      sessionId: idBytes(attempt.sessionId),
      cause: attempt.cause ?? WENT_WELL,
      duration: durationFrom(attempt.ms),
    })),
    resolve: durationFrom(record.resolveMs),
    ...(dialMs !== null && { dial: durationFrom(dialMs) }),
    ...(firstByteMs !== null && { firstByte: durationFrom(firstByteMs) }),
    duration: durationFrom(record.durationMs),
    bytesOut: BigInt(record.bytesOut),
    bytesIn: BigInt(record.bytesIn),
  });
}

export function explanationMessage(explanation: Explanation): pb.ResolveSessionResponse {
  const { poolId, sessionId, runnerUpId, cause, reason, eligibleCount, exclusions } = explanation;
  return create(pb.ResolveSessionResponseSchema, {
    ...(poolId !== null && { poolId: idBytes(poolId) }),
    ...(sessionId !== null && { sessionId: idBytes(sessionId) }),
    ...(runnerUpId !== null && { runnerUpId: idBytes(runnerUpId) }),
    ...(cause !== null && { cause }),
    reason,
    eligibleCount: BigInt(eligibleCount),
    exclusions: exclusions.map((exclusion) => ({ reason: exclusion.reason, count: BigInt(exclusion.count) })),
  });
}

/** Milliseconds to the nearest microsecond: a clock's fractions are not whole nanoseconds, which a duration is made of. */
function durationFrom(ms: number): Duration {
  const us = Math.round(ms * 1_000);
  const seconds = Math.trunc(us / 1_000_000);
  return create(DurationSchema, { seconds: BigInt(seconds), nanos: (us - seconds * 1_000_000) * 1_000 });
}
