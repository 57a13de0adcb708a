/** What a store that has grown costs: creating and listing among many is as cheap as among few. */
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { openStore, type Store } from '../../control/store/database.ts';
import { insertSessions } from '../../control/store/session-bulk.ts';
import { insertSession, listSessionIds, softDeleteSession } from '../../control/store/sessions.ts';
import type { SessionId } from '../../src/core/model.ts';
import { full } from '../helpers/full.ts';
import { newId, tempDir, tenant } from '../helpers/store-rig.ts';

const MANY = full ? 100_000 : 10_000;
/** Far above noise, far below what a scan of the table would cost. */
const MAX_RATIO = 4;

const medianOf = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

interface Watched {
  readonly store: Store;
  /** Seconds of each execution of the texts that match, emptied by whoever reads it. */
  readonly seconds: number[];
}

async function watchedStore(pattern: RegExp): Promise<Watched> {
  const seconds: number[] = [];
  const store = await openStore({
    path: join(tempDir(), 'a.db'),
    onStatement: (sql) => (pattern.test(sql) ? (took) => void seconds.push(took) : () => {}),
  });
  onTestFinished(() => store.close());
  return { store, seconds };
}

test(`the second thousand sessions, and a thousand after ${MANY}, are created as fast as the first`, async ({
  annotate,
}) => {
  const { store, seconds } = await watchedStore(/^insert into "?sessions"?/);
  const { session } = await tenant(store);
  const createThousand = async (name: string): Promise<number> => {
    seconds.length = 0;
    await Promise.all(
      Array.from({ length: 1_000 }, (_, n) => store.write((tx) => insertSession(tx, session(`${name}-${n}`)))),
    );
    expect(seconds).toHaveLength(1_000);
    return medianOf(seconds);
  };
  await createThousand('warm');
  const first = await createThousand('first');
  const second = await createThousand('second');
  const records = Array.from({ length: MANY }, (_, n) => session(`many-${n}`));
  await store.write((tx) => insertSessions(tx, records, nextTurn));
  const late = await createThousand('late');
  await annotate(`${[first, second, late].map((s) => (s * 1e6).toFixed(0)).join(', ')} µs`);
  expect(second / first).toBeLessThan(MAX_RATIO);
  expect(late / first).toBeLessThan(MAX_RATIO);
}, 60_000);

test(`a walk over ${MANY} sessions while others come and go sees each that stays exactly once, every page as cheap`, async ({
  annotate,
}) => {
  const { store, seconds } = await watchedStore(/^select "id" from "sessions"/);
  const { workspace, session } = await tenant(store);
  const staying = Array.from({ length: MANY }, (_, n) => session(`stay-${n}`));
  const leaving = Array.from({ length: 1_000 }, (_, n) => session(`leave-${n}`));
  // Mixed in id order, so that what leaves is ahead of the walk and behind it.
  const all = [...staying, ...leaving].map((record) => ({ ...record, id: newId<SessionId>() }));
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    const [a, b] = [all[i]!, all[j]!];
    all[i] = { ...a, id: b.id };
    all[j] = { ...b, id: a.id };
  }
  await store.write((tx) => insertSessions(tx, all, nextTurn));
  const gone = all.filter(({ token }) => token.startsWith('leave')).map(({ id }) => id);
  const others = (async () => {
    for (const [n, id] of gone.entries()) {
      await store.write(async (tx) => {
        await softDeleteSession(tx, workspace.id, id, 3_000);
        await insertSession(tx, session(`new-${n}`));
      });
    }
  })();
  const seen = new Map<SessionId, number>();
  const filter = { workspaceId: workspace.id, poolId: null, providerId: null };
  let pages = 0;
  for (let afterId: SessionId | null = null; ; pages++) {
    const page: SessionId[] = await listSessionIds(store.db, filter, { afterId, limit: MANY / 100 });
    for (const id of page) seen.set(id, (seen.get(id) ?? 0) + 1);
    afterId = page.at(-1) ?? null;
    if (page.length < MANY / 100) break;
    await nextTurn();
  }
  await others;
  const stayed = all.filter(({ token }) => token.startsWith('stay')).map(({ id }) => id);
  expect(stayed.filter((id) => seen.get(id) !== 1)).toEqual([]);
  expect([...seen.values()].every((times) => times === 1)).toBe(true);
  expect(pages).toBeGreaterThanOrEqual(100);
  const tenth = Math.floor(seconds.length / 10);
  const [firstPages, lastPages] = [medianOf(seconds.slice(0, tenth)), medianOf(seconds.slice(-tenth - 1, -1))];
  await annotate(`a page: first ${(firstPages * 1e6).toFixed(0)} µs, last ${(lastPages * 1e6).toFixed(0)} µs`);
  expect(lastPages / firstPages).toBeLessThan(MAX_RATIO);
}, 60_000);
