/**
 * The closing line of a whole run: `node scripts/test-totals.ts <failed steps> <report.json>…`
 * adds up the runners' JSON reports, says once more what failed and why, and
 * prints `N passed, N failed`, with `, N skipped` where tests were. A test file
 * that could not run at all, a report that is missing and a failed step count
 * as one failure each.
 */
import { readFileSync } from 'node:fs';

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests?: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** Of what a failure says, as much as helps in a log. */
const TOLD = 1_500;

const [failedSteps = '0', ...reports] = process.argv.slice(2);
let passed = 0;
let failed = Number(failedSteps);
let skipped = 0;
for (const path of reports) {
  try {
    const report = JSON.parse(readFileSync(path, 'utf8')) as Report;
    passed += report.numPassedTests;
    skipped += report.numPendingTests + (report.numTodoTests ?? 0);
    // A file fails without a failed test when it cannot be loaded, or when its hooks fail.
    const brokenFiles = report.testResults.filter(
      ({ status, assertionResults }) =>
        status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
    );
    failed += report.numFailedTests + brokenFiles.length;
    for (const { name, message } of brokenFiles) console.log(`FAILED ${name}\n${message.slice(0, TOLD)}`);
    for (const { name, assertionResults } of report.testResults) {
      for (const { fullName, status, failureMessages } of assertionResults) {
        if (status === 'failed')
          console.log(`FAILED ${name} > ${fullName}\n${failureMessages.join('\n').slice(0, TOLD)}`);
      }
    }
  } catch (error) {
    failed += 1;
    console.error(`${path}: no report (${(error as NodeJS.ErrnoException).code ?? 'not JSON'})`);
  }
}
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed > 0 ? 1 : 0;
