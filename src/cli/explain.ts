/** `sallyport resolve USERNAME HOST:PORT`: which session a request would get, and why; nothing is sent anywhere. */
import { toJson } from '@bufbuild/protobuf';
import type { Command } from 'commander';
import { ResolveSessionResponseSchema, type Session, uuidOf } from '../../client/client.ts';
import { addCommand, type Call } from './command.ts';
import { usageFailure } from './failure.ts';
import type { CommandHost } from './host.ts';
import { tableText } from './print-table.ts';

export function addResolveCommand(program: Command, host: CommandHost): void {
  addCommand(
    program,
    'resolve <username> <target>',
    { help: 'say which session a request would get, and why', example: 'resolve default-session-anna example.com:443' },
    host,
    resolve,
  );
}

async function resolve({ operator, out, args }: Call): Promise<void> {
  const [username, target] = args as [string, string];
  const { host, port } = placeOf(target);
  const workspaceId = await operator.workspaceId();
  const answer = await operator.api.proxies.resolveSession({
    workspaceId,
    username,
    targetHost: host,
    targetPort: port,
  });
  out.tell(toJson(ResolveSessionResponseSchema, answer));
  if (out.json) return;
  const ids = [answer.sessionId, answer.runnerUpId].filter((id) => id !== undefined);
  const { sessions } =
    ids.length === 0 ? { sessions: [] } : await operator.api.proxies.batchGetSessions({ workspaceId, sessionIds: ids });
  const nameOf = (id: Uint8Array | undefined) => named(sessions, id);
  if (answer.sessionId === undefined) out.say(`No session: ${answer.cause ?? 'none'} (${answer.reason})`);
  else out.say(`${nameOf(answer.sessionId)}\nWhy: ${answer.reason}`);
  if (answer.runnerUpId !== undefined) out.say(`Next best: ${nameOf(answer.runnerUpId)}`);
  out.say(`Sessions that could serve: ${answer.eligibleCount}`);
  if (answer.exclusions.length === 0) return;
  const columns = [
    { title: 'LEFT OUT', value: ({ count }: { count: bigint }) => Number(count) },
    { title: 'BECAUSE', value: ({ reason }: { reason: string }) => reason },
  ];
  out.say(`\n${tableText(answer.exclusions, columns, '')}`);
}

function named(sessions: readonly Session[], id: Uint8Array | undefined): string {
  if (id === undefined) return '-';
  const session = sessions.find((each) => uuidOf(each.id) === uuidOf(id));
  return session === undefined ? uuidOf(id) : `${session.token}  ${uuidOf(id)}`;
}

/** `host:port`, `[address]:port`; of a URL its host and port. */
function placeOf(target: string): { readonly host: string; readonly port: number } {
  const text = target.includes('://') ? target : `tcp://${target}`;
  if (URL.canParse(text)) {
    const { hostname, port, protocol } = new URL(text);
    const number = port === '' ? ({ 'http:': 80, 'https:': 443 } as Record<string, number>)[protocol] : Number(port);
    if (hostname !== '' && number !== undefined) return { host: hostname.replaceAll(/^\[|\]$/g, ''), port: number };
  }
  throw usageFailure(`the target must be host:port, such as example.com:443`);
}
