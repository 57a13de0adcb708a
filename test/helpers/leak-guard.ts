/**
 * Makes every test file a leak test: a vitest setup file that fails a file
 * which leaves a socket, a server, a timer, a child or a worker behind.
 *
 * It compares counts by kind with those from before the file, as the runner
 * holds pipes and ports of its own; only handles that keep a process alive
 * count, which is exactly what an owner forgot to close.
 */
import { afterAll, beforeAll, expect } from 'vitest';

const WATCHED = [
  'TCPSocketWrap',
  'TCPServerWrap',
  'TLSWrap',
  'PipeConnectWrap',
  'UDPWrap',
  'Timeout',
  'ProcessWrap',
  'MessagePort',
  'FSEventWrap',
];
/** What was closed in the last test may need some turns of the loop to be gone. */
const SETTLE_MS = 2_000;

/** How many handles of each watched kind keep the process alive now. */
export function openHandles(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    if (WATCHED.includes(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

/** The kinds of which more are open than before, as `TCPSocketWrap +2`. */
export function leaksSince(before: ReadonlyMap<string, number>): string[] {
  return [...openHandles()]
    .map(([kind, count]) => ({ kind, more: count - (before.get(kind) ?? 0) }))
    .filter(({ more }) => more > 0)
    .map(({ kind, more }) => `${kind} +${more}`);
}

let before: ReadonlyMap<string, number> = new Map();

beforeAll(() => {
  before = openHandles();
});

afterAll(async () => {
  const deadline = performance.now() + SETTLE_MS;
  // An immediate keeps no timer of our own in the count.
  while (leaksSince(before).length > 0 && performance.now() < deadline) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(leaksSince(before), 'handles that this test file left open').toEqual([]);
});
