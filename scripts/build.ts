/** `npm run build`: compiles the source into `dist/`, and checks that what came out starts. */
import { rmSync } from 'node:fs';
import { runSteps } from './steps.ts';

rmSync(new URL('../dist', import.meta.url), { recursive: true, force: true });
const passed = runSteps([
  { name: 'compile', args: ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'] },
  { name: 'start', args: ['dist/src/main.js', 'version'] },
]);
process.exitCode = passed ? 0 : 1;
