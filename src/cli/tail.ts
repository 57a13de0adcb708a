/** `sallyport tail`: requests as they finish, one line each, until interrupted. */
import { toJson } from '@bufbuild/protobuf';
import type { Command } from 'commander';
import { type RequestRecord, RequestRecordSchema, uuidOf } from '../../client/client.ts';
import { addCommand, type Call } from './command.ts';
import { howMany } from './flags.ts';
import type { CommandHost } from './host.ts';
import { findPool, findSession } from './names.ts';
import { bytesText, durationText, timeText } from './output.ts';

interface TailFlags {
  readonly pool?: string;
  readonly session?: string;
  readonly account?: string;
  readonly cause?: string;
  readonly lines?: number;
}

export function addTailCommand(program: Command, host: CommandHost): void {
  addCommand(
    program,
    'tail',
    { help: 'show requests as they finish', example: 'tail --pool default --cause upstream_refused' },
    host,
    tail,
  )
    .option('--pool <pool>', 'of this pool alone')
    .option('--session <token|id>', 'of this session alone')
    .option('--account <account>', 'of this account alone')
    .option('--cause <cause>', 'that ended so; ok for those that went well')
    .option('-n, --lines <n>', 'end after so many', howMany);
}

async function tail({ operator, out, command }: Call): Promise<void> {
  const { pool, session, account, cause, lines = Number.POSITIVE_INFINITY } = command.opts<TailFlags>();
  const filter = {
    workspaceId: await operator.workspaceId(),
    ...(pool !== undefined && { poolId: (await findPool(operator, pool)).id }),
    ...(session !== undefined && { sessionId: (await findSession(operator, session, pool)).id }),
    ...(account !== undefined && { accountName: account }),
    ...(cause !== undefined && { cause }),
  };
  // Connect passes no end of a loop on to the stream: it goes on, and holds its connection, until aborted.
  const enough = new AbortController();
  let shown = 0;
  for await (const { request, missed } of operator.api.proxies.tailRequests(filter, { signal: enough.signal })) {
    if (missed) out.host.complain('some requests were missed: they came faster than they were read');
    if (request === undefined) continue;
    // One text a line, for a script that reads as it comes.
    out.host.print(out.json ? JSON.stringify(toJson(RequestRecordSchema, request)) : lineOf(request));
    if (++shown >= lines) break;
  }
  enough.abort();
}

function lineOf(request: RequestRecord): string {
  const {
    startedAt,
    status,
    cause,
    kind,
    targetHost,
    targetPort,
    duration,
    bytesIn,
    bytesOut,
    sessionId,
    attempts,
    requestId,
  } = request;
  const name = targetHost.includes(':') ? `[${targetHost}]` : targetHost;
  const moved = attempts.length > 1 ? ` after ${attempts.length} attempts` : '';
  return [
    timeText(startedAt),
    String(status).padStart(3),
    kind.padEnd(7),
    `${name}:${targetPort}`,
    cause,
    `${durationText(duration)}${moved}`,
    `↑${bytesText(bytesOut)} ↓${bytesText(bytesIn)}`,
    sessionId === undefined ? '-' : uuidOf(sessionId),
    requestId,
  ].join('  ');
}
