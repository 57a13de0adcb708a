/** What `doctor` sees without asking for anything: settings, files, whether a server answers, and its clock. */
import { statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readMetrics } from '../../client/metrics-page.ts';
import { loadConfig } from '../config.ts';
import { productVersion } from '../version.ts';
import { codeOf } from './failure.ts';
import { bad, doubtful, type Finding, good } from './finding.ts';
import type { CommandHost } from './host.ts';
import type { Operator } from './operator.ts';
import { bytesText } from './output.ts';

/** The least that should be free where the database is. */
const LEAST_FREE_BYTES = 500_000_000;
/** Clocks that differ by more make times in logs and records hard to compare. */
const MOST_SKEW_MS = 5_000;
/** Files that are their owner's alone. */
const PRIVATE = ['sallyport.db', 'master.key', 'bootstrap.json'];
const OTHERS = 0o077;

/** The settings that `serve` would read in this environment. */
export function* checkSettings(host: CommandHost): Generator<Finding> {
  const { env, readFile } = host;
  const loaded = loadConfig({ argv: [], env: { ...env }, cwd: process.cwd(), readFile, terminal: false });
  if (loaded.ok) {
    const given = loaded.effective.filter(({ origin }) => origin !== 'default').length;
    yield good('settings', given === 0 ? 'all defaults' : `${given} given, the rest defaults`);
    for (const warning of loaded.warnings)
      yield doubtful('settings', warning, '"sallyport config" shows where each comes from.');
    return;
  }
  for (const problem of loaded.problems)
    yield bad('settings', problem, '"sallyport help settings" says what each may be.');
}

/** The data directory, where there is one on this machine. */
export function* checkFiles({ env }: CommandHost, asked: string | undefined): Generator<Finding> {
  const folder = asked ?? env.SALLYPORT_DATA_DIR ?? './data';
  const stats = PRIVATE.map((name) => ({ name, stat: statSync(join(folder, name), { throwIfNoEntry: false }) }));
  const there = stats.filter(({ stat }) => stat !== undefined);
  if (there.length === 0) return;
  const open = there.filter(({ stat }) => (stat!.mode & OTHERS) !== 0).map(({ name }) => name);
  if (open.length === 0) yield good('files', `${folder} is its owner's alone`);
  else
    yield bad(
      'files',
      `others may read ${open.join(', ')} in ${folder}`,
      `chmod 600 ${open.map((name) => join(folder, name)).join(' ')}`,
    );
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  if (free >= LEAST_FREE_BYTES) yield good('disk', `${bytesText(free)} are free where the database is`);
  else
    yield doubtful(
      'disk',
      `${bytesText(free)} are free where the database is`,
      'Writes are refused once it is full; reads and traffic go on.',
    );
}

/** Whether a server answers, is ready, and is of this version; answers whether it is worth asking on. */
export async function* checkServer({ url }: Operator): AsyncGenerator<Finding, boolean> {
  const sentAt = Date.now();
  const answer = await fetch(`${url}/readyz`).catch(codeOf);
  if (typeof answer === 'string') {
    yield bad(
      'server',
      `nothing answers at ${url} (${answer})`,
      'Start it with "sallyport serve", or name another one by SALLYPORT_URL.',
    );
    return false;
  }
  // A body that nobody reads holds its connection.
  await answer.text();
  const page = readMetrics(await (await fetch(`${url}/metrics`)).text());
  const version = page.label('sallyport_build_info', 'version');
  if (version === '') {
    yield bad(
      'server',
      `what answers at ${url} is no control plane`,
      'SALLYPORT_URL must name it, and not the gateway.',
    );
    return false;
  }
  if (answer.status === 200) yield good('server', `${url} is ready`);
  else
    yield bad(
      'server',
      `${url} is not ready`,
      'It loads its index after a start, and drains before a stop: ask again in a moment.',
    );
  const saidAt = Date.parse(answer.headers.get('date') ?? '');
  // A date has whole seconds, and was right at some moment between question and answer.
  const skewMs = Math.max(sentAt - saidAt - 1_000, saidAt - Date.now(), 0);
  if (skewMs <= MOST_SKEW_MS) yield good('clock', 'its clock and ours agree');
  else
    yield doubtful(
      'clock',
      `its clock and ours differ by ${Math.round(skewMs / 1_000)} s`,
      'Keep both by NTP: keys end, and records are dated, by its clock.',
    );
  if (version === productVersion()) yield good('version', version);
  else
    yield doubtful(
      'version',
      `it is ${version}, and this command is ${productVersion()}`,
      'Use the command of the same version.',
    );
  return true;
}
