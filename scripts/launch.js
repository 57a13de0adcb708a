/*
 * Runs a program on the pinned Node: `node scripts/launch.js <script> [arguments]`.
 * Every npm script goes through here, on whatever Node (20 or newer) the machine
 * has; what is missing is installed first, and the product is built where the source
 * is newer. Plain JavaScript for that reason.
 *
 * Signals go on to the program, and its exit code comes back.
 */
import { spawn } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { ensureBuilt } from './ensure-built.js';
import { ensureInstalled } from './ensure-installed.js';

/** The product as built: `npm start`. Everything else runs from source. */
const PRODUCT = 'dist/server/main.js';
/** What was compiled, types stripped, is kept: a second start is faster, and does without the compiler in memory. */
const compileCache =
  process.env.NODE_COMPILE_CACHE ?? fileURLToPath(new URL('../node_modules/.cache/node', import.meta.url));
/** glibc gives each thread a heap of its own and returns little of it; two are enough, and take less at rest (0019). */
const productEnvironment = { MALLOC_ARENA_MAX: '2' };
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Runs one child to its end, passing signals on; answers its exit code or signal.
 * @param {string} program
 * @param {string[]} args
 * @param {Record<string, string>} env on top of this process's own, which wins
 * @returns {Promise<{ code: number | null, signal: NodeJS.Signals | null }>}
 */
function run(program, args, env = { NODE_COMPILE_CACHE: compileCache }) {
  return new Promise((resolve, reject) => {
    // The same process group on purpose: what ends the group ends the program, too.
    const child = spawn(program, args, { stdio: 'inherit', env: { ...env, ...process.env } });
    const listeners = SIGNALS.map((signal) => [signal, () => process.platform !== 'win32' && child.kill(signal)]);
    for (const [signal, listener] of listeners) process.on(signal, listener);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      for (const [name, listener] of listeners) process.off(name, listener);
      resolve({ code, signal });
    });
  });
}

try {
  const pinnedNode = await ensureInstalled(run);
  const args = process.argv.slice(2);
  const isProduct = args[0] === PRODUCT;
  if (isProduct) ensureBuilt(pinnedNode);
  const { code, signal } = await run(pinnedNode, args, isProduct ? productEnvironment : undefined);
  if (signal) process.kill(process.pid, signal);
  else process.exitCode = code ?? 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
