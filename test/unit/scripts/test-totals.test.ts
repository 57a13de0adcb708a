import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../../../scripts/test-totals.ts', import.meta.url));
const FILE_OK = { name: 'a.test.ts', status: 'passed', message: '', assertionResults: [{ status: 'passed' }] };
const FAILED_TEST = { fullName: 'adds > up', status: 'failed', failureMessages: ['1 is not 2'] };
const FILE_WITH_A_FAILED_TEST = { name: 'b.test.ts', status: 'failed', message: '', assertionResults: [FAILED_TEST] };
const FILE_THAT_DID_NOT_LOAD = { name: 'c.test.ts', status: 'failed', message: 'no such file', assertionResults: [] };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-totals-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function totals(failedSteps: number, ...reports: (object | null)[]) {
  const paths = reports.map((report, n) => {
    const path = join(folder, `${crypto.randomUUID()}-${n}.json`);
    if (report) writeFileSync(path, JSON.stringify(report));
    return path;
  });
  const { stdout, status } = spawnSync(process.execPath, [SCRIPT, String(failedSteps), ...paths], { encoding: 'utf8' });
  return { stdout, status };
}

const report = (passed: number, failed: number, skipped: number, ...testResults: object[]) => ({
  numPassedTests: passed,
  numFailedTests: failed,
  numPendingTests: skipped,
  testResults,
});

it('adds up the reports', () => {
  expect(totals(0, report(3, 0, 0, FILE_OK), report(4, 0, 2, FILE_OK))).toEqual({
    stdout: '7 passed, 0 failed, 2 skipped\n',
    status: 0,
  });
});

it('leaves out skipped when nothing was', () => {
  expect(totals(0, report(3, 0, 0, FILE_OK))).toEqual({ stdout: '3 passed, 0 failed\n', status: 0 });
});

it('counts a failed test once, though its file failed as well, and says once more what failed and why', () => {
  expect(totals(0, report(3, 1, 0, FILE_WITH_A_FAILED_TEST))).toEqual({
    stdout: 'FAILED b.test.ts > adds > up\n1 is not 2\n3 passed, 1 failed\n',
    status: 1,
  });
});

it('says of a file that did not load why not', () => {
  expect(totals(0, report(0, 0, 0, FILE_THAT_DID_NOT_LOAD)).stdout).toContain('FAILED c.test.ts\nno such file\n');
});

it.each([
  ['a file that did not load', 0, report(3, 0, 0, FILE_THAT_DID_NOT_LOAD)],
  ['a report that is missing', 0, null],
  ['a step that failed', 1, report(0, 0, 0)],
])('%s is a failure', (_, steps, given) => {
  const { stdout, status } = totals(steps, given);
  expect(stdout).toMatch(/^\d+ passed, 1 failed\n$/m);
  expect(status).toBe(1);
});
