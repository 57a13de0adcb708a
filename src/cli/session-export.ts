/** `sallyport session export --redacted`: the sessions of a pool as a CSV; passwords never come out of the service. */
import type { Command } from 'commander';
import Papa from 'papaparse';
import type { Session } from '../../client/client.ts';
import { addCommand } from './command.ts';
import { usageFailure } from './failure.ts';
import type { CommandHost } from './host.ts';
import { allSessions, findPool } from './names.ts';

const COLUMNS = ['token', 'scheme', 'host', 'port', 'username', 'enabled'] as const;
/** Rows that are turned into text at once. */
const ROWS = 1_000;

export function addExportCommand(session: Command, host: CommandHost): void {
  addCommand(
    session,
    'export',
    {
      help: 'write sessions as a CSV, without their passwords',
      example: 'session export --redacted --pool default > pool.csv',
    },
    host,
    async ({ operator, out, command }) => {
      const { pool, redacted } = command.opts<{ pool?: string; redacted?: boolean }>();
      if (redacted !== true) throw usageFailure('passwords never come out: say --redacted for a list without them');
      const of = pool === undefined ? {} : { poolId: Uint8Array.from((await findPool(operator, pool)).id) };
      let rows: (string | number)[][] = [[...COLUMNS, 'labels']];
      const flush = () => {
        if (rows.length > 0) out.host.print(Papa.unparse(rows, { newline: '\n' }));
        rows = [];
      };
      for await (const each of allSessions(operator, of)) {
        rows.push(rowOf(each));
        if (rows.length >= ROWS) flush();
      }
      flush();
    },
  )
    .option('--pool <pool>', 'of this pool alone')
    .option('--redacted', 'without passwords: the only way there is');
}

function rowOf({
  token,
  scheme = '',
  host = '',
  port = 0,
  username = '',
  enabled,
  labels,
}: Session): (string | number)[] {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return [token, scheme, host, port === 0 ? '' : port, username, String(enabled), pairs.join(' ')];
}
