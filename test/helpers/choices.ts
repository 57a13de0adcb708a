/**
 * Consistent choices to compare: of a pool whose sessions have random ids, in this
 * process and in another one (`choices.process.ts`), which shares nothing with it but the code.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { SessionId } from '../../src/core/model.ts';
import type { Pool } from '../../src/core/pool-index/pool.ts';
import { choice, directoryOf, poolIn, provider, putPool, putProvider, putSession } from '../unit/core/pool-index/fixture.ts'; // biome-ignore format: one list

const PROCESS = fileURLToPath(new URL('./choices.process.ts', import.meta.url));

/** Pool 1 with sessions of these ids, put in this order; its tables are hashed under chance of its own. */
export function loadedPool(ids: readonly string[]): Pool {
  const hashKey = { k0: Math.floor(Math.random() * 2 ** 32) | 0, k1: Math.floor(Math.random() * 2 ** 32) | 0 };
  const directory = directoryOf([putPool(1), putProvider(provider(1))], { hashKey, maxStickyKeys: 8 });
  for (const [n, id] of ids.entries()) directory.apply(putSession(n, { id: id as SessionId }));
  return poolIn(directory, 1);
}

/** The session of `key-0`, `key-1`, … */
export function choicesOf(pool: Pool, keys: number): string[] {
  return Array.from({ length: keys }, (_, n) => choice(pool, `key-${n}`)!.id);
}

/** As `choicesOf` a pool with these sessions, in another process. */
export async function choicesElsewhere(ids: readonly string[], keys: number): Promise<string[]> {
  const child: ChildProcess = fork(PROCESS, [String(keys), ...ids], { execArgv: [] });
  const exited = once(child, 'exit');
  const [choices] = (await once(child, 'message')) as [string[]];
  await exited;
  return choices;
}
