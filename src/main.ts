#!/usr/bin/env node
/**
 * The process: arguments and environment become a command. The only place that
 * ends the process, prints, or listens to signals.
 *
 * It imports nothing of ours before the runtime is checked, so that an old
 * Node answers one sentence and not a stack.
 */
import process from 'node:process';
import type { Config } from './config.ts';

/** The oldest line that still gets security fixes; the one that we support is pinned in package.json (docs/decisions/0005). */
const OLDEST_NODE = 24;
/** One Ctrl-C may arrive more than once: from the terminal, and from npm and a launcher that pass it on. */
const SAME_SIGNAL_MS = 200;

/** Commands that read the configuration; all others talk to a server. */
const COMMANDS = ['serve', 'config', 'restore'];

const print = (text: string) => console.log(text);
const complain = (text: string) => console.error(`sallyport: ${text}`);

/** Calls back at the first of these signals; a second one ends the process. What it answers takes that back. */
function atFirst(signals: readonly NodeJS.Signals[], then: () => void): () => void {
  let firstAtMs: number | null = null;
  const onSignal = (signal: NodeJS.Signals) => {
    const nowMs = performance.now();
    if (firstAtMs === null) {
      firstAtMs = nowMs;
      then();
    } else if (nowMs - firstAtMs > SAME_SIGNAL_MS) {
      process.exit(signal === 'SIGINT' ? 130 : 143);
    }
  };
  for (const signal of signals) process.on(signal, onSignal);
  return () => {
    for (const signal of signals) process.off(signal, onSignal);
  };
}

function requestStop(): Promise<void> {
  // Without its terminal nobody can stop it any more but so. There is nothing to reload.
  return new Promise((resolve) => atFirst(['SIGTERM', 'SIGINT', 'SIGHUP'], resolve));
}

/** Names and places, never messages: those may quote what a client or an upstream sent. */
function reportCrash(event: string, thrown: unknown): void {
  const chain: object[] = [];
  for (let error = thrown; error instanceof Error && chain.length < 5; error = error.cause) {
    const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
    chain.push({ name: error.name, code: (error as NodeJS.ErrnoException).code, stack: frames.map((f) => f.trim()) });
  }
  const report = { level: 'fatal', time: new Date().toISOString(), msg: event, errors: chain, thrown: typeof thrown };
  console.error(JSON.stringify(report));
}

async function runRestore(config: Config, file: string): Promise<number> {
  const { restore } = await import('./cli/restore.ts');
  const { restoreDatabase } = await import('./offline.ts');
  return restore(config, file, { restoreDatabase, print, complain });
}

/** Commands that talk to a server. */
async function runCommand(argv: readonly string[]): Promise<number> {
  const { readFileSync } = await import('node:fs');
  const { createInterface } = await import('node:readline/promises');
  const { runProgram } = await import('./cli/program.ts');
  const { keepYoungGenerationSmall } = await import('./core/heap.ts');
  keepYoungGenerationSmall();
  const { stdin, stdout, stderr } = process;
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    // Whoever reads has seen enough, as `head` has.
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  const ask = async (question: string): Promise<string> => {
    const lines = createInterface({ input: stdin, output: stderr });
    return lines.question(question).finally(() => lines.close());
  };
  return runProgram(argv, {
    env: process.env,
    readFile: (path) => readFileSync(path, 'utf8'),
    print,
    complain,
    terminal: stdout.isTTY ? { columns: stdout.columns } : null,
    stage: stderr.isTTY ? stderr : null,
    ask: stdin.isTTY && stderr.isTTY ? ask : null,
    onInterrupt: (then) => atFirst(['SIGINT'], then),
  });
}

async function main(): Promise<number> {
  const [first, ...rest] = process.argv.slice(2);
  const command = first === undefined || first.startsWith('--') ? 'serve' : first;
  if (command === 'version' || first === '--version') {
    const { productVersion } = await import('./version.ts');
    console.log(productVersion());
    return 0;
  }
  const isOurs = COMMANDS.includes(command);
  const asksHelp = rest.some((argument) => argument === '--help' || argument === '-h');
  if ((isOurs && asksHelp) || (command === 'help' && rest[0] === 'settings')) {
    const { settingsHelp } = await import('./cli/help.ts');
    console.log(settingsHelp());
    return 0;
  }
  if (first === '--help' || !isOurs) return runCommand(process.argv.slice(2));
  const args = command === first ? rest : process.argv.slice(2);
  const restores = command === 'restore';
  const [file = ''] = args;
  if (restores && (file === '' || file.startsWith('-'))) {
    complain('the first argument must be a file: sallyport restore FILE [settings]');
    return 2;
  }
  const { readFileSync } = await import('node:fs');
  const { loadConfig } = await import('./config.ts');
  const loaded = loadConfig({
    argv: restores ? args.slice(1) : args,
    env: process.env,
    cwd: process.cwd(),
    readFile: (path) => readFileSync(path, 'utf8'),
    terminal: process.stdout.isTTY === true,
  });
  if (!loaded.ok) {
    for (const problem of loaded.problems) console.error(`sallyport: ${problem}`);
    return 2;
  }
  for (const warning of loaded.warnings) console.error(`sallyport: ${warning}`);
  if (command === 'config') {
    const { printConfig } = await import('./cli/config.ts');
    console.log(printConfig(loaded.effective));
    return 0;
  }
  if (restores) return runRestore(loaded.config, file);
  const stopRequested = requestStop();
  const { serve } = await import('./cli/serve.ts');
  const { startApp } = await import('./app.ts');
  return serve(loaded.config, {
    startApp,
    stopRequested,
    atExit: (last) => void process.once('exit', last),
    print,
    complain,
  });
}

if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
  console.error(
    `sallyport needs Node.js ${OLDEST_NODE} or newer, and this is ${process.version}; "npm start" brings its own.`,
  );
  process.exit(1);
}
process.umask(0o077);
for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (thrown: unknown) => {
    reportCrash(event, thrown);
    process.exit(1);
  });
}
process.exit(await main());
