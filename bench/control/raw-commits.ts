/**
 * The yardstick of C1 (`node raw-commits.ts DIRECTORY SECONDS`): rows of a session's
 * size, a commit each, by better-sqlite3 alone with the store's own durability.
 */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';

if (import.meta.main) {
  const [directory, seconds] = process.argv.slice(2);
  if (directory === undefined) throw new Error('usage: node raw-commits.ts DIRECTORY SECONDS');
  console.log(JSON.stringify({ perSecond: rawCommits(join(directory, 'raw.db'), Number(seconds)) }));
}

function rawCommits(path: string, seconds: number): number {
  const database = new Database(path);
  try {
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.exec(`create table if not exists sessions (id blob primary key, pool blob, token text, sealed blob) strict, without rowid;
      create unique index if not exists by_token on sessions (pool, token)`);
    const insert = database.prepare('insert into sessions values (?, ?, ?, ?)');
    const pool = randomBytes(16);
    const sealed = randomBytes(120);
    const startMs = performance.now();
    let rows = 0;
    for (; performance.now() - startMs < seconds * 1_000; rows++) {
      insert.run(randomBytes(16), pool, `token-${startMs}-${rows}`, sealed);
    }
    return rows / ((performance.now() - startMs) / 1_000);
  } finally {
    database.close();
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true });
  }
}
