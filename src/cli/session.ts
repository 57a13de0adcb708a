/** `sallyport session …`: the upstreams of pools. Import and export have files of their own. */
import { fromJson, toJson } from '@bufbuild/protobuf';
import type { Command } from 'commander';
import {
  CreateSessionRequestSchema,
  type Session,
  SessionHealth,
  SessionSchema,
  type SessionState,
  UpdateSessionRequestSchema,
  uuidOf,
} from '../../client/client.ts';
import { isProblem } from '../../client/session-list/endpoint.ts';
import { parsePlainLine } from '../../client/session-list/plain-line.ts';
import { addCommand, addNoun, type Call } from './command.ts';
import { addDelete } from './deleting.ts';
import { usageFailure } from './failure.ts';
import { addFlags, count, type Flag, howMany, labels, onOff, requestOf, text } from './flags.ts';
import type { CommandHost } from './host.ts';
import { allSessions, findPool, findProvider, findSession, wordOfEnum } from './names.ts';
import { durationText } from './output.ts';
import type { Column } from './print-table.ts';
import { readSecret } from './secret-file.ts';
import { addExportCommand } from './session-export.ts';
import { addImportCommand } from './session-import.ts';
import { addSwitches } from './switching.ts';

const DEFAULT_POOL = 'default';
const DEFAULT_LIMIT = 50;
const STATES = 1_000;

const FIELDS: readonly Flag[] = [
  { name: '--scheme', type: text, help: 'http, https, socks4, socks4a, socks5 or socks5h', path: ['scheme'] },
  { name: '--host', type: text, help: 'name or address of the upstream', path: ['host'] },
  { name: '--port', type: count, help: 'its port', path: ['port'] },
  { name: '--username', type: text, help: 'user name there', path: ['username'] },
  {
    name: '--password',
    type: text,
    help: 'password there; others on this machine may see it: --password-file',
    path: ['password'],
  },
  { name: '--labels', type: labels, help: 'what clients can select by', path: ['labels'] },
  { name: '--tls-insecure', type: onOff, help: 'take any certificate of an https upstream', path: ['tlsInsecure'] },
];

/** A session with how it fares, where that is known. */
interface Fared {
  readonly session: Session;
  readonly state: SessionState | undefined;
}

const COLUMNS: readonly Column<Fared>[] = [
  { title: 'TOKEN', value: ({ session }) => session.token },
  { title: 'UPSTREAM', value: ({ session }) => upstreamOf(session) },
  { title: 'HEALTH', value: ({ state }) => (state === undefined ? '-' : wordOfEnum(SessionHealth, state.health)) },
  { title: 'LAST CAUSE', value: ({ state }) => state?.lastCause ?? '-' },
  { title: 'DIAL', value: ({ state }) => durationText(state?.latency) },
  { title: 'LABELS', value: ({ session }) => labelsOf(session) },
  { title: 'ID', value: ({ session }) => uuidOf(session.id) },
];

function upstreamOf({ scheme, host, port, username }: Session): string {
  if (scheme === undefined) return host ?? 'by its token';
  const name = host!.includes(':') ? `[${host}]` : host;
  return `${scheme}://${username === undefined ? '' : `${username}@`}${name}:${port}`;
}

function labelsOf({ labels: own }: Session): string {
  const pairs = Object.entries(own);
  return pairs.length === 0 ? '-' : pairs.map(([key, value]) => `${key}=${value}`).join(',');
}

export function addSessionCommands(program: Command, host: CommandHost): void {
  const session = addNoun(program, 'session', 'sessions: the upstreams of a pool, one by one');
  addListCommand(session, host);
  addImportCommand(session, host);
  addExportCommand(session, host);

  addCommand(
    session,
    'get <token|id>',
    { help: 'show a session', example: 'session get my-first-exit --pool default' },
    host,
    async (call) => call.out.one(SessionSchema, await asked(call)),
  ).option('--pool <pool>', 'where several pools have the token');

  const create = addCommand(
    session,
    'create <token> [upstream]',
    { help: 'add a session', example: 'session create exit-1 http://anna:PASSWORD@203.0.113.10:8080' },
    host,
    createSession,
  );
  addFlags(create, FIELDS)
    .option('--pool <pool>', 'the pool that it serves', DEFAULT_POOL)
    .option('--provider <provider>', 'where it comes from; the only static one when left out')
    .option('--password-file <file>', 'a file that holds the password and nothing else');

  const update = addCommand(
    session,
    'update <token|id>',
    { help: 'change a session: only what is given', example: 'session update exit-1 --password-file new.txt' },
    host,
    async (call) => {
      const changes = { ...requestOf(call.command, FIELDS), ...passwordOf(call) };
      call.out.one(SessionSchema, await changeSession(call, await asked(call), changes));
    },
  );
  addFlags(update, FIELDS)
    .option('--pool <pool>', 'where several pools have the token')
    .option('--password-file <file>', 'a file that holds the password and nothing else');

  const switches = addSwitches(session, host, {
    argument: '<token|id>',
    example: 'exit-1',
    help: { enable: 'let a session be chosen again', disable: 'let it be chosen no more, from now on' },
    schema: SessionSchema,
    change: async (call, enabled) => changeSession(call, await asked(call), { enabled }),
    nameOf: ({ token }) => token,
  });
  for (const each of switches) each.option('--pool <pool>', 'where several pools have the token');

  addDelete(session, host, {
    argument: '<token|id>',
    example: 'exit-1',
    help: 'revoke a session for good',
    find: asked,
    question: ({ token }) => `Delete session ${token}? Its password is erased.`,
    remove: async ({ operator }, { id: sessionId }) =>
      operator.api.proxies.deleteSession({ workspaceId: await operator.workspaceId(), sessionId }),
    gone: ({ token }) => `session ${token} is gone: no request is served by it from now on`,
  }).option('--pool <pool>', 'where several pools have the token');
}

function addListCommand(session: Command, host: CommandHost): void {
  const text = { help: 'list sessions and how they fare', example: 'session list --pool default --limit 20' };
  addCommand(session, 'list', text, host, async ({ operator, out, command }) => {
    const { pool, limit } = command.opts<{ pool?: string; limit: number; all?: boolean }>();
    const of = pool === undefined ? {} : { poolId: Uint8Array.from((await findPool(operator, pool)).id) };
    const most = command.getOptionValue('all') === true ? Number.POSITIVE_INFINITY : limit;
    // One more than are shown tells whether there are more.
    const sessions = await Array.fromAsync(allSessions(operator, of, most + 1));
    const shown = sessions.slice(0, most);
    if (out.json) return out.tell(shown.map((each) => toJson(SessionSchema, each)));
    out.table(
      await fare(operator, shown),
      COLUMNS,
      'There is no session here: "sallyport session import FILE" brings some.',
    );
    if (sessions.length > most) out.say(`… and more: --limit N or --all shows them`);
  })
    .option('--pool <pool>', 'of this pool alone')
    .option('--limit <n>', 'so many', howMany, DEFAULT_LIMIT)
    .option('--all', 'all of them');
}

/** Each with its live state. */
async function fare(operator: Call['operator'], sessions: readonly Session[]): Promise<Fared[]> {
  const workspaceId = await operator.workspaceId();
  const byPool = Map.groupBy(sessions, ({ poolId }) => uuidOf(poolId));
  const states = new Map<string, SessionState>();
  for (const group of byPool.values()) {
    for (let at = 0; at < group.length; at += STATES) {
      const sessionIds = group.slice(at, at + STATES).map(({ id }) => id);
      const { poolId } = group[0]!;
      const answer = await operator.api.proxies.listSessionStates({ workspaceId, poolId, sessionIds });
      for (const state of answer.states) states.set(uuidOf(state.sessionId), state);
    }
  }
  return sessions.map((session) => ({ session, state: states.get(uuidOf(session.id)) }));
}

async function createSession(call: Call): Promise<void> {
  const { operator, out, args, command } = call;
  const { pool, provider } = command.opts<{ pool: string; provider?: string }>();
  const [token, upstream] = args;
  const request = fromJson(CreateSessionRequestSchema, {
    ...(upstream !== undefined && partsOf(upstream)),
    ...requestOf(command, FIELDS),
    ...passwordOf(call),
    token: token!,
  });
  request.workspaceId = await operator.workspaceId();
  request.poolId = Uint8Array.from((await findPool(operator, pool)).id);
  request.providerId = Uint8Array.from((await findProvider(operator, provider)).id);
  const { session } = await operator.api.proxies.createSession(request);
  out.say(`session ${session!.token} serves pool ${pool} from now on: ${uuidOf(session!.id)}`);
  out.tell(toJson(SessionSchema, session!));
}

/** What a line such as `http://user:password@host:port` says. */
function partsOf(upstream: string): Record<string, string | number> {
  const found = parsePlainLine(upstream, 'http');
  if (isProblem(found)) throw usageFailure(`the upstream is not understood: ${found.problem}`);
  const { scheme, host, port, username, password } = found;
  return { scheme, host, port, ...(username !== null && { username }), ...(password !== null && { password }) };
}

/** The password of `--password-file`. */
function passwordOf({ command, out }: Call): { password?: string } {
  const file = command.getOptionValue('passwordFile') as string | undefined;
  return file === undefined ? {} : { password: readSecret(out.host, file) };
}

function asked({ operator, args, command }: Call): Promise<Session> {
  return findSession(operator, args[0]!, command.getOptionValue('pool') as string | undefined);
}

/** Changes a session, unless somebody else has changed it since it was read. */
async function changeSession({ operator }: Call, before: Session, changes: object): Promise<Session> {
  const request = fromJson(UpdateSessionRequestSchema, { ...changes });
  request.workspaceId = await operator.workspaceId();
  request.sessionId = Uint8Array.from(before.id);
  request.expectedVersion = before.version;
  const { session } = await operator.api.proxies.updateSession(request);
  return session!;
}
