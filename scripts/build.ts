/**
 * `npm run build`: bundles the product into `dist/server/` and compiles the client, with
 * its types, into `dist/client/`; then checks that what came out starts.
 */
import { rmSync } from 'node:fs';
import { runSteps } from './steps.ts';

// What runs from the rest of it meanwhile finds whole files, old or new: the bundlers replace them one by one.
for (const gone of ['client', 'server/built-from.txt']) {
  rmSync(new URL(`../dist/${gone}`, import.meta.url), { recursive: true, force: true });
}
const passed = runSteps([
  { name: 'bundle', args: ['scripts/ensure-built.js'] },
  { name: 'compile the client', args: ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'] },
  { name: 'start', args: ['dist/server/main.js', 'version'] },
]);
process.exitCode = passed ? 0 : 1;
