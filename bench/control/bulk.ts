/** C2: BulkCreateSessions of 50,000 rows with passwords to seal, then the very same call again. */
import { type MicroOptions, type Row, rowOf } from '../lib/row.ts';
import { BenchProduct, sessionRows } from './product.ts';

interface BulkAnswer {
  readonly createdCount?: number;
  readonly existingCount?: number;
  readonly sessions: readonly unknown[];
}

export async function run({ quick }: MicroOptions): Promise<Row[]> {
  const rows = quick ? 5_000 : 50_000;
  const rounds = quick ? 2 : 5;
  const product = new BenchProduct();
  try {
    await product.start();
    // Code compiled and caches filled before the first round, as in a server that has run for a while.
    await product.fill('warm', rows);
    const first: number[] = [];
    const again: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const { apiKey, workspaceId, poolId, providerId } = product.bootstrap;
      const sessions = sessionRows(`round-${round}`, rows);
      const body = JSON.stringify({ workspaceId, poolId, providerId, sessions });
      first.push(await timed(product, apiKey, body, [rows, 0]));
      again.push(await timed(product, apiKey, body, [0, rows]));
    }
    const name = `BulkCreateSessions, ${rows.toLocaleString('en-US')} rows with passwords`;
    // The goals are for the whole size.
    return [
      rowOf('bulk', name, 's', first, quick ? undefined : { id: 'C2', atMost: 2 }),
      rowOf('bulk-again', 'the same call repeated', 's', again, quick ? undefined : { id: 'C2', atMost: 1 }),
    ];
  } finally {
    await product.close();
  }
}

/** Seconds of one call, whose answer must have created and found so many. */
async function timed(
  product: BenchProduct,
  apiKey: string,
  body: string,
  expected: readonly [created: number, existing: number],
): Promise<number> {
  const startMs = performance.now();
  const answer = (await product.send('/proxies.v1.Proxies/BulkCreateSessions', apiKey, body)) as BulkAnswer;
  const seconds = (performance.now() - startMs) / 1_000;
  const found = [answer.createdCount ?? 0, answer.existingCount ?? 0];
  if (found.join() !== expected.join() || answer.sessions.length !== expected[0] + expected[1]) {
    throw new Error(`the call created and found ${found.join(' and ')} sessions in place of ${expected.join(' and ')}`);
  }
  return seconds;
}
