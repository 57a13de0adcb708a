/**
 * What a power cut leaves of the WAL: cut short anywhere, or with flipped bits. Whatever
 * is left, opening the store gives a prefix of what was acknowledged, each batch whole.
 *
 *   wal = header (32 octets) ‖ frames of 24 + 4,096 octets; a commit is on disk with its last frame
 */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openStore } from '../../control/store/database.ts';
import { countWorkspaces, insertWorkspace } from '../../control/store/workspaces.ts';
import type { WorkspaceId } from '../../src/core/model.ts';
import { full } from '../helpers/full.ts';
import { tempDir, workspaceRecord } from '../helpers/store-rig.ts';

/** Few enough for all of them to be in the WAL: SQLite checkpoints every 1,000 frames. */
const COMMITS = 60;
/** Rows of each commit: enough for its frames to be more than one page. */
const BATCH = 12;
const HEADER = 32;
const FRAME = 24 + 4_096;
const RANDOM_CUTS = full ? 1_000 : 25;
const FLIPS = full ? 1_000 : 25;
/** Every frame boundary, or every so many of them. */
const BOUNDARY_STEP = full ? 1 : 24;

let database: Buffer;
let wal: Buffer;
/** Length of the WAL when commit n was acknowledged. */
const ends: number[] = [];

beforeAll(async () => {
  const directory = mkdtempSync(join(tmpdir(), 'store-'));
  const path = join(directory, 'a.db');
  await (await openStore({ path })).close();
  const store = await openStore({ path });
  for (let commit = 0; commit < COMMITS; commit++) {
    await store.write(async (tx) => {
      for (let row = 0; row < BATCH; row++) {
        const id = `00000000-0000-7000-8000-${String(commit * BATCH + row).padStart(12, '0')}` as WorkspaceId;
        await insertWorkspace(tx, workspaceRecord({ id, name: `c${commit}`, description: 'x'.repeat(300) }));
      }
    });
    ends.push(statSync(`${path}-wal`).size);
  }
  // While it is open, as a power cut would find the files; nothing was checkpointed yet.
  copyFileSync(path, join(directory, 'copy.db'));
  copyFileSync(`${path}-wal`, join(directory, 'copy.db-wal'));
  database = readFileSync(join(directory, 'copy.db'));
  wal = readFileSync(join(directory, 'copy.db-wal'));
  await store.close();
  rmSync(directory, { recursive: true });
});

/** Commits of which every octet is there. */
const wholeBefore = (offset: number) => ends.filter((end) => end <= offset).length;

interface Left {
  /** Rows of each commit that is there, in order. */
  readonly rows: readonly number[];
  readonly sound: boolean;
}

/** Opens the database with this WAL and looks at what is there. */
function recover(directory: string, torn: Buffer): Left {
  const path = join(directory, 'torn.db');
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true });
  writeFileSync(path, database);
  writeFileSync(`${path}-wal`, torn);
  const raw = new Database(path);
  try {
    const counted = raw.prepare<[], { n: number }>(
      'select count(*) as n from workspaces group by name order by min(id)',
    );
    const rows = counted.all().map(({ n }) => n);
    return { rows, sound: raw.pragma('integrity_check', { simple: true }) === 'ok' };
  } finally {
    raw.close();
  }
}

const commits = (count: number): Left => ({ rows: Array<number>(count).fill(BATCH), sound: true });

test('the history is in the WAL, several frames a commit', () => {
  expect(ends).toHaveLength(COMMITS);
  expect((wal.length - HEADER) % FRAME).toBe(0);
  expect(wal.length).toBe(ends.at(-1));
  expect((wal.length - HEADER) / FRAME).toBeGreaterThan(2 * COMMITS);
  expect(recover(tempDir(), wal)).toEqual(commits(COMMITS));
  expect(recover(tempDir(), Buffer.alloc(0))).toEqual(commits(0));
});

describe('cut short', () => {
  test('at frame boundaries', () => {
    const directory = tempDir();
    for (let cut = HEADER; cut <= wal.length; cut += FRAME * BOUNDARY_STEP) {
      expect(recover(directory, wal.subarray(0, cut)), `cut at ${cut}`).toEqual(commits(wholeBefore(cut)));
    }
  }, 120_000);

  test(`at ${RANDOM_CUTS} random offsets`, () => {
    const directory = tempDir();
    for (let n = 0; n < RANDOM_CUTS; n++) {
      const cut = Math.floor(Math.random() * wal.length);
      expect(recover(directory, wal.subarray(0, cut)), `cut at ${cut}`).toEqual(commits(wholeBefore(cut)));
    }
  }, 120_000);

  test('with the tail written over by zeroes or by what an earlier round left there', () => {
    const directory = tempDir();
    const cut = ends[COMMITS >> 1]! + FRAME + 100;
    const zeroes = Buffer.from(wal).fill(0, cut);
    const stale = Buffer.concat([wal.subarray(0, cut), wal.subarray(HEADER, HEADER + wal.length - cut)]);
    for (const torn of [zeroes, stale]) expect(recover(directory, torn)).toEqual(commits(wholeBefore(cut)));
  });
});

test(`${FLIPS} flipped bits in the tail: everything from the frame on is gone, nothing before it`, () => {
  const directory = tempDir();
  const tail = wal.length >> 1;
  for (let n = 0; n < FLIPS; n++) {
    const at = tail + Math.floor(Math.random() * (wal.length - tail));
    const torn = Buffer.from(wal);
    torn[at]! ^= 1 << Math.floor(Math.random() * 8);
    const frame = HEADER + Math.floor((at - HEADER) / FRAME) * FRAME;
    expect(recover(directory, torn), `flipped at ${at}`).toEqual(commits(wholeBefore(frame)));
  }
}, 120_000);

test('the store opens what is left, and goes on from there', async () => {
  const path = join(tempDir(), 'torn.db');
  const cut = ends[COMMITS >> 1]! + 5_000;
  writeFileSync(path, database);
  writeFileSync(`${path}-wal`, wal.subarray(0, cut));
  const store = await openStore({ path });
  onTestFinished(() => store.close());
  expect(await countWorkspaces(store.db)).toBe(wholeBefore(cut) * BATCH);
  await store.write((tx) => insertWorkspace(tx, workspaceRecord()));
  expect(await countWorkspaces(store.db)).toBe(wholeBefore(cut) * BATCH + 1);
});
