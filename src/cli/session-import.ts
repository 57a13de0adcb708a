/** `sallyport session import FILE`: shows how far it is, and says what became of every line. */
import { createReadStream, statSync } from 'node:fs';
import { addAbortSignal } from 'node:stream';
import type { Command } from 'commander';
import { type ImportCounts, type ImportSink, importSessions } from '../../client/session-list/import-sessions.ts';
import { addCommand, type Call } from './command.ts';
import { CommandFailure, EXIT } from './failure.ts';
import { addFlags, type Flag, labels, requestOf } from './flags.ts';
import type { CommandHost } from './host.ts';
import { untilInterrupted } from './interruption.ts';
import { findPool, findProvider } from './names.ts';
import { type ProgressBar, startBar } from './progress-bar.ts';
import { unreadable } from './secret-file.ts';

/** Bad lines that are told one by one. */
const MAX_TOLD = 20;
/** And in JSON. */
const MAX_KEPT = 10_000;
const STDIN = '-';

const LABELS: readonly Flag[] = [
  { name: '--labels', type: labels, help: 'of every session, beside those of the list', path: ['labels'] },
];

export function addImportCommand(session: Command, host: CommandHost): void {
  const command = addCommand(
    session,
    'import <file>',
    {
      help: 'add the sessions of a list; a second time changes nothing',
      example: 'session import proxies.txt --pool default',
    },
    host,
    (call) => runImport(call),
  );
  addFlags(command, LABELS)
    .option('--pool <pool>', 'the pool that they serve', 'default')
    .option('--provider <provider>', 'where they come from; the only static one when left out')
    .option('--scheme <scheme>', 'of upstreams whose list names none', 'http')
    .option('--dry-run', 'read the list, and change nothing');
  command.addHelpText(
    'after',
    `
The list is a file, or - for standard input, in any of these shapes:
  host:port                      host:port:user:password     user:password@host:port
  scheme://user:password@host:port                           user:password:host:port
  a CSV with a header            cache_peer lines of a squid.conf
  JSON: of objects or lines, of Scrapoxy, of Bright Data's Proxy Manager`,
  );
}

async function runImport(call: Call): Promise<void> {
  const { operator, out, command, args } = call;
  const { host } = out;
  const { pool, provider, scheme, dryRun } = command.opts<{
    pool: string;
    provider?: string;
    scheme: string;
    dryRun?: boolean;
  }>();
  const source = openSource(args[0]!);
  const workspaceId = await operator.workspaceId();
  const poolId = (await findPool(operator, pool)).id;
  const providerId = (await findProvider(operator, provider)).id;
  const sink = new ImportLog(host, source, async (sessions) => {
    if (dryRun === true) return { createdCount: sessions.length };
    return operator.api.proxies.bulkCreateSessions({ workspaceId, poolId, providerId, sessions });
  });
  const wanted = (requestOf(command, LABELS).labels ?? {}) as Record<string, string>;
  const what = dryRun === true ? `would be added to pool ${pool}` : `added to pool ${pool}`;
  try {
    const outcome = await untilInterrupted(host, (stop) => {
      sink.begin();
      return importSessions({ text: source.text(stop), scheme, labels: wanted, stop }, sink);
    }).finally(() => sink.end());
    const { kind, unknownColumns } = outcome;
    const columns = unknownColumns.length === 0 ? '' : `\nColumns that were left out: ${unknownColumns.join(', ')}`;
    out.say(`${summaryOf(outcome, what)}${columns}`);
    out.tell({ ...outcome, complete: true, kind: kind ?? 'plain', unknownColumns: [...unknownColumns], ...sink.told });
    if (outcome.refused > 0) throw new CommandFailure(EXIT.refused, refusedText(outcome.refused));
  } catch (error) {
    if (error instanceof CommandFailure) throw error;
    out.tell({ ...sink.counts, complete: false, ...sink.told });
    host.complain(`so far ${summaryOf(sink.counts, what)}; the same command again goes on from there`);
    throw (error as Error).name === 'AbortError' ? new CommandFailure(EXIT.interrupted, 'interrupted') : error;
  }
}

/** What becomes of the lines: shown as a bar, and told of at the end. */
class ImportLog implements ImportSink {
  counts: ImportCounts = { created: 0, existing: 0, repeated: 0, refused: 0 };
  readonly create: ImportSink['create'];
  readonly #lines: { number: number; why: string }[] = [];
  readonly #host: CommandHost;
  readonly #source: Source;
  #bar: ProgressBar | null = null;

  constructor(host: CommandHost, source: Source, create: ImportSink['create']) {
    this.create = create;
    this.#host = host;
    this.#source = source;
  }

  begin(): void {
    const { size } = this.#source;
    const format = size > 0 ? '{bar} {percentage} %  {done} sessions  {eta_formatted} left' : '{done} sessions';
    this.#bar = startBar(this.#host.stage, size, format, { done: '0' });
  }

  /** For a script. */
  get told() {
    return { lines: this.#lines };
  }

  refused(number: number, why: string): void {
    if (this.#lines.length < MAX_KEPT) this.#lines.push({ number, why });
  }

  progress(counts: ImportCounts): void {
    this.counts = counts;
    const { created, existing, repeated, refused } = counts;
    const done = created + existing + repeated + refused;
    this.#bar?.update(this.#source.read(), { done: done.toLocaleString('en') });
  }

  end(): void {
    this.#bar?.stop();
    for (const { number, why } of this.#lines.slice(0, MAX_TOLD)) this.#host.complain(`line ${number}: ${why}`);
    const rest = this.counts.refused - MAX_TOLD;
    if (rest > 0) this.#host.complain(`… and ${rest} lines more`);
  }
}

interface Source {
  /** Ends with an AbortError when `stop` aborts. */
  readonly text: (stop: AbortSignal) => AsyncIterable<string>;
  /** Octets; 0 where that is not known. */
  readonly size: number;
  /** How many of them were read. */
  readonly read: () => number;
}

function openSource(file: string): Source {
  if (file === STDIN) {
    process.stdin.setEncoding('utf8');
    return { text: (stop) => addAbortSignal(stop, process.stdin), size: 0, read: () => 0 };
  }
  try {
    const stat = statSync(file);
    if (stat.isDirectory()) throw Object.assign(new Error('a directory'), { code: 'EISDIR' });
    const { size } = stat;
    const stream = createReadStream(file, 'utf8');
    return { text: (stop) => addAbortSignal(stop, stream), size, read: () => stream.bytesRead };
  } catch (error) {
    throw unreadable(file, error);
  }
}

function refusedText(count: number): string {
  return count === 1 ? '1 line is no session' : `${count.toLocaleString('en')} lines are no sessions`;
}

function summaryOf({ created, existing, repeated }: ImportCounts, what: string): string {
  const n = (count: number) => count.toLocaleString('en');
  const parts = [`${n(created)} ${created === 1 ? 'session' : 'sessions'} ${what}`];
  if (existing > 0) parts.push(`${n(existing)} there already`);
  if (repeated > 0) parts.push(`${n(repeated)} twice in the list`);
  return parts.join(', ');
}
