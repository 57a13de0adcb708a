/** `sallyport session import FILE`: shows how far it is, and says what became of every line. */
import { createReadStream, statSync } from 'node:fs';
import type { Command } from 'commander';
import { addCommand, type Call } from './command.ts';
import { CommandFailure, EXIT, usageFailure } from './failure.ts';
import { addFlags, type Flag, labels, requestOf } from './flags.ts';
import type { CommandHost } from './host.ts';
import { type ImportOutcome, type ImportSink, importSessions } from './import-sessions.ts';
import { findPool, findProvider } from './names.ts';
import { startBar } from './progress-bar.ts';

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
  const refused: { number: number; why: string }[] = [];
  const format = source.size > 0 ? '{bar} {percentage} %  {done} sessions  {eta_formatted} left' : '{done} sessions';
  const bar = startBar(host.stage, source.size, format, { done: '0' });
  const sink: ImportSink = {
    create: async (sessions) => {
      if (dryRun === true) return { createdCount: sessions.length };
      return operator.api.proxies.bulkCreateSessions({ workspaceId, poolId, providerId, sessions });
    },
    refused: (number, why) => {
      if (refused.length < MAX_KEPT) refused.push({ number, why });
    },
    progress: (done) => bar.update(source.read(), { done: done.toLocaleString('en') }),
  };
  const request = { text: source.text, scheme, labels: requestOf(command, LABELS).labels ?? {} };
  const outcome = await importSessions(request as Parameters<typeof importSessions>[0], sink).finally(() => bar.stop());
  for (const { number, why } of refused.slice(0, MAX_TOLD)) host.complain(`line ${number}: ${why}`);
  if (outcome.refused > MAX_TOLD) host.complain(`… and ${outcome.refused - MAX_TOLD} lines more`);
  out.say(summaryOf(outcome, pool, dryRun === true));
  out.tell({ ...outcome, kind: outcome.kind ?? 'plain', unknownColumns: [...outcome.unknownColumns], lines: refused });
  if (outcome.refused > 0) throw new CommandFailure(EXIT.refused, `${outcome.refused} lines are no sessions`);
}

interface Source {
  readonly text: AsyncIterable<string>;
  /** Octets; 0 where that is not known. */
  readonly size: number;
  /** How many of them were read. */
  readonly read: () => number;
}

function openSource(file: string): Source {
  if (file === STDIN) {
    process.stdin.setEncoding('utf8');
    return { text: process.stdin, size: 0, read: () => 0 };
  }
  try {
    const { size } = statSync(file);
    const stream = createReadStream(file, 'utf8');
    return { text: stream, size, read: () => stream.bytesRead };
  } catch (error) {
    throw usageFailure(`${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

function summaryOf(
  { created, existing, repeated, unknownColumns }: ImportOutcome,
  pool: string,
  isDry: boolean,
): string {
  const n = (count: number) => count.toLocaleString('en');
  const parts = [
    isDry ? `${n(created)} sessions would be added to pool ${pool}` : `${n(created)} sessions added to pool ${pool}`,
  ];
  if (existing > 0) parts.push(`${n(existing)} there already`);
  if (repeated > 0) parts.push(`${n(repeated)} twice in the list`);
  const columns = unknownColumns.length === 0 ? '' : `\nColumns that were left out: ${unknownColumns.join(', ')}`;
  return `${parts.join(', ')}${columns}`;
}
