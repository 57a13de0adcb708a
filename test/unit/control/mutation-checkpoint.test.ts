import { Code, ConnectError } from '@connectrpc/connect';
import { expect, test } from 'vitest';
import { type Call, checkpoint, type Plane, pauseOf } from '../../../control/call.ts';
import { mutate } from '../../../control/mutation.ts';
import { createPublisher } from '../../../control/publisher.ts';
import type { Store } from '../../../control/store/database.ts';
import { countWorkspaces, insertWorkspace } from '../../../control/store/workspaces.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { freshStore, newId, workspaceRecord } from '../../helpers/store-rig.ts';

/** A call on a real store, and the hand that ends it. */
async function startCall() {
  const store: Store = await freshStore();
  const hand = new AbortController();
  const applied: unknown[] = [];
  const publisher = createPublisher(
    async (changes) => void applied.push(...changes),
    () => undefined,
  );
  const plane = { store, publisher, clock: systemClock } as unknown as Plane;
  const caller = { keyId: newId() };
  const call = {
    method: 'a.Service/Method',
    caller,
    signal: hand.signal,
    workspaceId: null,
    audited: false,
  } as unknown as Call;
  const write = (between: () => Promise<void>) =>
    mutate(plane, call, async (tx) => {
      const workspace = workspaceRecord();
      await insertWorkspace(tx, workspace);
      await between();
      const changes = [{ kind: 'key-gone', hash: 'h' }] as const;
      return { answer: workspace.id, changes, workspaceId: workspace.id, objectId: null, count: 1 };
    });
  const workspaces = () => countWorkspaces(store.db);
  const auditRows = async () => (await store.db.selectFrom('audit_events').selectAll().execute()).length;
  return { call, hand, write, applied, state: async () => [await workspaces(), await auditRows(), applied.length] };
}

const late = () => new ConnectError('the operation timed out', Code.DeadlineExceeded);

test('a call that ends while it waits for its turn does no work at all', async () => {
  const { hand, write, state } = await startCall();
  let worked = false;
  const blocker = Promise.withResolvers<void>();
  const first = write(() => blocker.promise);
  const second = write(async () => {
    worked = true;
  });
  // It ends both: the first at its end, the second before it begins.
  hand.abort(late());
  blocker.resolve();
  await expect(first).rejects.toMatchObject({ kind: 'deadline_exceeded' });
  await expect(second).rejects.toMatchObject({ kind: 'deadline_exceeded' });
  expect(worked).toBe(false);
  expect(await state()).toEqual([0, 0, 0]);
});

test('a call that ends between two slices is undone, and the next write goes on', async () => {
  const { hand, call, write, state } = await startCall();
  await write(async () => undefined);
  const cut = write(async () => {
    hand.abort();
    await pauseOf(call)();
  });
  await expect(cut).rejects.toMatchObject({ kind: 'canceled' });
  expect(await state()).toEqual([1, 1, 1]);
});

test('the end of a call says why', () => {
  expect(() => checkpoint({ signal: new AbortController().signal })).not.toThrow();
  expect(() => checkpoint({ signal: AbortSignal.abort(late()) })).toThrow(
    expect.objectContaining({ kind: 'deadline_exceeded' }),
  );
  for (const reason of [undefined, new Error('socket'), new ConnectError('reset', Code.Canceled)]) {
    expect(() => checkpoint({ signal: AbortSignal.abort(reason) })).toThrow(
      expect.objectContaining({ kind: 'canceled' }),
    );
  }
});
