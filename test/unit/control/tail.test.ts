/** The stream of TailRequests without a server around it: a clock that a test moves, a ring that a test fills. */
import { randomUUID } from 'node:crypto';
import { createContextValues, type HandlerContext } from '@connectrpc/connect';
import { expect, test } from 'vitest';
import { createAccessTable } from '../../../control/access-table.ts';
import { type Call, type Plane, setCall } from '../../../control/call.ts';
import type { TailRequestsResponse } from '../../../control/gen/proxies/v1/proxies_pb.ts';
import { tailRequests } from '../../../control/services/tail.ts';
import { silentLog } from '../../../src/core/log.ts';
import type { WorkspaceId } from '../../../src/core/model.ts';
import type { RequestRing } from '../../../src/core/request-ring.ts';
import { finishAt, newRing } from '../../helpers/observed-records.ts';

const workspaceId = randomUUID() as WorkspaceId;

function startRig(capacity = 100) {
  const ring = newRing(capacity);
  const access = createAccessTable();
  access.putWorkspace(workspaceId);
  let nowMs = 0;
  const lines: string[] = [];
  const plane = {
    access,
    clock: { monotonicMs: () => nowMs, nowMs: () => nowMs },
    log: { ...silentLog, warn: (_fields: object, message: string) => void lines.push(message) },
    isServing: () => true,
    gateway: { listRequests: async (query: Parameters<RequestRing['list']>[0]) => ring.list(query) },
  } as unknown as Plane;
  const serve = tailRequests(plane);
  return {
    ring,
    lines,
    advance: (ms: number) => {
      nowMs += ms;
    },
    /** Opens a stream as the key would. */
    open(keyId = 'k', signal = new AbortController().signal): AsyncIterator<TailRequestsResponse> {
      const values = createContextValues();
      const call = { workspaceId, caller: { keyId }, startedMs: nowMs, signal, isStillAllowed: () => true };
      setCall(values, call as unknown as Call);
      const stream = serve({} as never, { values } as HandlerContext) as AsyncIterable<TailRequestsResponse>;
      return stream[Symbol.asyncIterator]();
    },
  };
}

/** Whether the stream has found where it begins: it asks the ring before its first wait. */
const begun = () => new Promise((resolve) => setImmediate(resolve));

test('what finished before it began is not told; what finishes after is, in order, all of a burst', async () => {
  const rig = startRig(2_000);
  finishAt(rig.ring, workspaceId, { requestId: 'before' });
  const tail = rig.open();
  const first = tail.next();
  await begun();
  for (let i = 0; i < 1_200; i++) finishAt(rig.ring, workspaceId, { requestId: `r${i}` });
  const seen = [(await first).value.request.requestId];
  while (seen.length < 1_200) seen.push((await tail.next()).value.request.requestId);
  expect(seen).toEqual(Array.from({ length: 1_200 }, (_, i) => `r${i}`));
  await tail.return?.();
});

test('what was overwritten is counted, with the next record or by itself', async () => {
  const rig = startRig(10);
  const tail = rig.open();
  const first = tail.next();
  await begun();
  for (let i = 0; i < 25; i++) finishAt(rig.ring, workspaceId, { requestId: `r${i}` });
  expect((await first).value).toMatchObject({ missed: true, request: { requestId: 'r15' } });
  for (let i = 16; i < 25; i++) expect((await tail.next()).value.missed).toBe(false);
  const next = tail.next();
  for (let i = 0; i < 11; i++) finishAt(rig.ring, randomUUID() as WorkspaceId);
  const { value } = await next;
  expect([value.missed, value.request]).toEqual([true, undefined]);
  expect(rig.lines).toEqual(Array(2).fill('a tail was too slow for the requests'));
  await tail.return?.();
});

test('five seconds of silence are broken by a message without a record', async () => {
  const rig = startRig();
  const tail = rig.open();
  const first = tail.next();
  await begun();
  rig.advance(5_000);
  expect((await first).value).toMatchObject({ missed: false });
  const next = tail.next();
  finishAt(rig.ring, workspaceId, { requestId: 'after' });
  expect((await next).value.request.requestId).toBe('after');
  await tail.return?.();
});

test('an hour is the end', async () => {
  const rig = startRig();
  const tail = rig.open();
  const first = tail.next();
  await begun();
  rig.advance(3_600_000);
  await expect(first).rejects.toMatchObject({ kind: 'deadline_exceeded' });
});

test('10 streams of a key, 100 in all; each that ends makes room, also one whose reader never comes back', async () => {
  const rig = startRig();
  const open: AsyncIterator<TailRequestsResponse>[] = [];
  const begin = async (keyId: string, signal?: AbortSignal) => {
    const tail = rig.open(keyId, signal);
    const first = tail.next();
    first.catch(() => undefined);
    finishAt(rig.ring, workspaceId);
    await begun();
    finishAt(rig.ring, workspaceId);
    await first;
    open.push(tail);
  };
  const full = { kind: 'resource_exhausted', retryAfterSeconds: 5 };
  const stuck = new AbortController();
  await begin('k0', stuck.signal);
  for (let i = 1; i < 10; i++) await begin('k0');
  await expect(rig.open('k0').next()).rejects.toMatchObject(full);
  stuck.abort();
  await begin('k0');
  for (let key = 1; key < 10; key++) for (let i = 0; i < 10; i++) await begin(`k${key}`);
  await expect(rig.open('another').next()).rejects.toMatchObject(full);
  for (const tail of open) await tail.return?.();
  await begin('another');
  await open.at(-1)?.return?.();
}, 60_000);
