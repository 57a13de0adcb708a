/** `npm run check`: format, lint, types, architecture and unit tests; what to run before every commit. */
import { runSteps } from './steps.ts';

const passed = runSteps([
  { name: 'format and lint', args: ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings'] },
  { name: 'types', args: ['node_modules/typescript/bin/tsc', '--noEmit'] },
  { name: 'types of the console', args: ['node_modules/typescript/bin/tsc', '--noEmit', '-p', 'console'] },
  {
    name: 'architecture and unit tests',
    args: ['node_modules/vitest/vitest.mjs', 'run', '--reporter=dot', 'test/architecture.test.ts', 'test/unit'],
  },
]);
process.exitCode = passed ? 0 : 1;
