import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import type { Store } from '../../../../control/store/database.ts';
import {
  addUsage,
  matchesUsage,
  type UsageFilter,
  type UsageRow,
  type UsageWalk,
  usageWalkQuery,
  walkUsage,
} from '../../../../control/store/usage.ts';
import type { UsageDelta } from '../../../../src/core/observed.ts';
import { freshStore, newId, noPause } from '../../../helpers/store-rig.ts';

const NOBODY = { sessionId: null, accountName: null, poolId: null, providerId: null };
const EVER: UsageWalk = { after: null, startDay: 0, endDay: 100_000, limit: 1_000 };

function delta(over: Partial<UsageDelta> = {}): UsageDelta {
  return {
    ...{ workspaceId: newId(), poolId: newId(), providerId: newId(), sessionId: newId(), accountName: '' },
    ...{ day: 20_000, requestCount: 3, errorCount: 1, bytesOut: 100, bytesIn: 2_000 },
    ...over,
  };
}

const add = (store: Store, deltas: UsageDelta[]) => store.write((tx) => addUsage(tx, deltas, noPause));

/** Everything that the filter asks for, `limit` rows looked at a time. */
async function readAll(store: Store, filter: UsageFilter, limit: number, days = EVER): Promise<UsageRow[]> {
  const found: UsageRow[] = [];
  for (let after: UsageWalk['after'] = null; ; ) {
    const rows: UsageRow[] = await walkUsage(store.db, filter, { ...days, after, limit });
    found.push(...rows.filter((row) => matchesUsage(filter, row)));
    if (rows.length < limit) return found;
    after = rows.at(-1)!;
  }
}

describe('adding', () => {
  test('sums up by session, account and day, in one statement or in many', async () => {
    const store = await freshStore();
    const first = delta();
    const others = [delta(), { ...first, accountName: 'a' }, { ...first, day: first.day + 1 }];
    await add(store, [first, first, ...others]);
    await add(store, Array(1_001).fill(first));
    const [row, ...rest] = await walkUsage(store.db, { ...NOBODY, workspaceId: first.workspaceId }, EVER);
    expect(row).toEqual({
      ...first,
      requestCount: 3_009n,
      errorCount: 1_003n,
      bytesOut: 100_300n,
      bytesIn: 2_006_000n,
    });
    expect(rest.map(({ accountName, day, requestCount }) => [accountName, day, requestCount])).toEqual([
      ['a', 20_000, 3n],
      ['', 20_001, 3n],
    ]);
  });

  test('stays exact beyond 2^53, and refuses what 64 bits cannot hold, all of it', async () => {
    const store = await freshStore();
    const most = delta({ bytesIn: Number.MAX_SAFE_INTEGER, bytesOut: 1 });
    await add(store, [most, most, most, { ...most, bytesIn: 2 }]);
    const filter = { ...NOBODY, workspaceId: most.workspaceId };
    expect((await walkUsage(store.db, filter, EVER))[0]!.bytesIn).toBe(3n * (2n ** 53n - 1n) + 2n);
    await expect(add(store, Array(1_022).fill(most))).rejects.toMatchObject({ kind: 'constraint' });
    expect((await walkUsage(store.db, filter, EVER))[0]!.bytesOut).toBe(4n);
  });

  test.each([
    ['beyond 2^53', 2 ** 53],
    ['a fraction', 0.5],
    ['negative', -1],
    ['no number', Number.NaN],
  ])('refuses a count that is %s, before it writes anything', async (_name, bytesIn) => {
    const store = await freshStore();
    const good = delta();
    await expect(add(store, [good, { ...good, bytesIn }])).rejects.toThrow(RangeError);
    expect(await walkUsage(store.db, { ...NOBODY, workspaceId: good.workspaceId }, EVER)).toEqual([]);
  });

  test('pauses between statements of bounded length', async () => {
    const store = await freshStore();
    let pauses = 0;
    const deltas = Array.from({ length: 1_200 }, () => delta());
    await store.write((tx) => addUsage(tx, deltas, async () => void pauses++));
    expect(pauses).toBe(2);
  });
});

describe('walking', () => {
  const workspaceId = newId() as UsageDelta['workspaceId'];
  const pools = [newId(), newId()] as UsageDelta['poolId'][];
  const providers = [newId(), newId()] as UsageDelta['providerId'][];
  const deltas = Array.from({ length: 6 }, (_, s) => {
    const sessionId = newId() as UsageDelta['sessionId'];
    const place = { workspaceId, sessionId, poolId: pools[s % 2]!, providerId: providers[s % 3 === 0 ? 0 : 1]! };
    return ['', 'ann', 'bob'].flatMap((accountName, a) =>
      [20_000, 20_001, 20_003].map((day) =>
        delta({ ...place, accountName, day, requestCount: s * 100 + a * 10 + day }),
      ),
    );
  }).flat();
  const last = deltas.at(-1)!;
  const { sessionId, accountName, poolId, providerId } = last;
  const filters: [string, Partial<UsageFilter>][] = [
    ['nothing', {}],
    ['a session', { sessionId }],
    ['an account', { accountName }],
    ['no account', { accountName: '' }],
    ['a pool', { poolId }],
    ['a provider', { providerId }],
    ['a session and an account', { sessionId, accountName }],
    ['a pool and a provider', { poolId, providerId }],
    ['a pool and no account', { poolId, accountName: '' }],
    ['a session of another pool', { sessionId, poolId: pools[0]! }],
    ['everything', { sessionId, accountName, poolId, providerId }],
    ['an unknown pool', { poolId: newId() }],
  ];
  const order = ({ day, sessionId: session, accountName: account }: UsageDelta | UsageRow) =>
    `${day} ${session} ${account}`;

  test.each(filters)(
    'by %s: each row once, by day, session, account, whatever the size of a page',
    async (_n, asked) => {
      const store = await freshStore();
      await add(store, [...deltas, delta({ poolId, providerId, sessionId, accountName })]);
      const filter = { ...NOBODY, ...asked, workspaceId };
      const expected = deltas
        .filter((one) => matchesUsage(filter, one as never))
        .map(order)
        .sort();
      for (const limit of [1, 2, 7, 1_000]) {
        expect((await readAll(store, filter, limit)).map(order)).toEqual(expected);
      }
      const days = { ...EVER, startDay: 20_001, endDay: 20_002 };
      expect((await readAll(store, filter, 2, days)).map(order)).toEqual(
        expected.filter((text) => text.startsWith('20001')),
      );
    },
  );

  test.each(filters)(
    'by %s: its statement walks one index between two places, and sorts nothing',
    async (_n, asked) => {
      const store = await freshStore();
      const filter = { ...NOBODY, ...asked, workspaceId };
      for (const after of [null, last]) {
        const query = usageWalkQuery(filter, { ...EVER, after });
        const { rows } = await sql<{ detail: string }>`explain query plan ${query}`.execute(store.db);
        expect(rows).toHaveLength(1);
        // The lower bound is the position, the upper one the last day: what stands beyond either is not looked at.
        expect(rows[0]!.detail).toMatch(
          /^SEARCH usage USING (?:PRIMARY KEY|INDEX usage_of_\w+) \(workspace_id=\?(?: AND \w+=\?)? AND \(usage_day,[\w,]+\)>\(\?,[?,]+\) AND usage_day<\?\)$/,
        );
      }
    },
  );
});
