/** `sallyport assignment …`: accounts, and the sessions that they are bound to. */
import type { Command } from 'commander';
import { type Assignment, AssignmentSchema, idOf, uuidOf } from '../../client/client.ts';
import { walk } from '../../client/pages.ts';
import { addCommand, addNoun, type Call } from './command.ts';
import { addDelete } from './deleting.ts';
import { CommandFailure, EXIT, usageFailure } from './failure.ts';
import { howMany } from './flags.ts';
import type { CommandHost } from './host.ts';
import { findPool, findSession } from './names.ts';
import { isId } from './operator.ts';
import { timeText } from './output.ts';
import type { Column } from './print-table.ts';

const DEFAULT_POOL = 'default';
const DEFAULT_LIMIT = 50;

const COLUMNS: readonly Column<Assignment>[] = [
  { title: 'ACCOUNT', value: ({ accountName }) => accountName },
  { title: 'SESSION', value: ({ sessionId }) => uuidOf(sessionId) },
  { title: 'PINNED', value: ({ pinned }) => (pinned ? 'yes' : 'no') },
  { title: 'CHANGED', value: ({ updatedAt }) => timeText(updatedAt) },
  { title: 'ID', value: ({ id }) => uuidOf(id) },
];

interface Filter {
  readonly poolId?: Uint8Array<ArrayBuffer>;
  readonly accountName?: string;
}

async function* assignments({ operator }: Call, filter: Filter, most?: number): AsyncGenerator<Assignment> {
  const workspaceId = await operator.workspaceId();
  const { proxies } = operator.api;
  yield* walk(
    {
      page: async (cursor, limit) => {
        const { assignmentIds: ids, nextCursor } = await proxies.listAssignments({
          workspaceId,
          ...filter,
          cursor,
          limit,
        });
        return { ids, nextCursor };
      },
      load: async (assignmentIds) => (await proxies.batchGetAssignments({ workspaceId, assignmentIds })).assignments,
    },
    most,
  );
}

export function addAssignmentCommands(program: Command, host: CommandHost): void {
  const assignment = addNoun(program, 'assignment', 'assignments: accounts and the sessions that they keep');

  addCommand(
    assignment,
    'list',
    { help: 'list assignments', example: 'assignment list --pool default' },
    host,
    async (call) => {
      const { pool, limit } = call.command.opts<{ pool?: string; limit: number }>();
      const found = await Array.fromAsync(assignments(call, await poolFilter(call, pool), limit));
      call.out.rows(AssignmentSchema, found, COLUMNS, 'No account is bound to a session yet.');
    },
  )
    .option('--pool <pool>', 'of this pool alone')
    .option('--limit <n>', 'so many', howMany, DEFAULT_LIMIT);

  addCommand(
    assignment,
    'get <account|id>',
    { help: 'show an assignment', example: 'assignment get anna --pool default' },
    host,
    async (call) => call.out.one(AssignmentSchema, await asked(call)),
  ).option('--pool <pool>', 'where several pools know the account');

  addCommand(
    assignment,
    'create <account>',
    {
      help: 'bind an account to a session; to the least taken when none is named',
      example: 'assignment create anna --session exit-1 --pin',
    },
    host,
    async (call) => {
      const { operator, out, args, command } = call;
      const { pool, session, pin } = command.opts<{ pool: string; session?: string; pin?: boolean }>();
      const { assignment: made } = await operator.api.proxies.createAssignment({
        workspaceId: await operator.workspaceId(),
        poolId: (await findPool(operator, pool)).id,
        accountName: args[0]!,
        pinned: pin === true,
        ...(session !== undefined && { sessionId: (await findSession(operator, session, pool)).id }),
      });
      out.one(AssignmentSchema, made!);
    },
  )
    .option('--pool <pool>', 'the pool', DEFAULT_POOL)
    .option('--session <token|id>', 'the session')
    .option('--pin', 'it never moves by itself');

  addCommand(
    assignment,
    'update <account|id>',
    { help: 'move an assignment, pin it or let it go', example: 'assignment update anna --session exit-2' },
    host,
    async (call) => {
      const { operator, out, command } = call;
      const { pool, session, pin } = command.opts<{ pool?: string; session?: string; pin?: boolean }>();
      const before = await asked(call);
      const { assignment: after } = await operator.api.proxies.updateAssignment({
        workspaceId: await operator.workspaceId(),
        assignmentId: before.id,
        expectedVersion: before.version,
        ...(pin !== undefined && { pinned: pin }),
        ...(session !== undefined && { sessionId: (await findSession(operator, session, pool)).id }),
      });
      out.one(AssignmentSchema, after!);
    },
  )
    .option('--pool <pool>', 'where several pools know the account or the token')
    .option('--session <token|id>', 'the session that it moves to')
    .option('--pin', 'it never moves by itself')
    .option('--no-pin', 'it may move again');

  addCommand(
    assignment,
    'rebind <account|id>',
    { help: 'move an account to a fresh session', example: 'assignment rebind anna' },
    host,
    async (call) => {
      const { operator, out } = call;
      const { id: assignmentId } = await asked(call);
      const workspaceId = await operator.workspaceId();
      const { assignment: after } = await operator.api.proxies.rebindAssignment({ workspaceId, assignmentId });
      out.one(AssignmentSchema, after!);
    },
  ).option('--pool <pool>', 'where several pools know the account');

  addDelete(assignment, host, {
    argument: '<account|id>',
    example: 'anna',
    help: 'let go of an account: its next request binds it anew',
    find: asked,
    question: ({ accountName }) => `Delete the assignment of ${accountName}? Its next request may take another exit.`,
    remove: async ({ operator }, { id: assignmentId }) =>
      operator.api.proxies.deleteAssignment({ workspaceId: await operator.workspaceId(), assignmentId }),
    gone: ({ accountName }) => `account ${accountName} is bound to nothing`,
  }).option('--pool <pool>', 'where several pools know the account');
}

async function poolFilter({ operator }: Call, pool: string | undefined): Promise<Filter> {
  return pool === undefined ? {} : { poolId: Uint8Array.from((await findPool(operator, pool)).id) };
}

async function asked(call: Call): Promise<Assignment> {
  const { operator, args, command } = call;
  const name = args[0]!;
  if (isId(name)) {
    const workspaceId = await operator.workspaceId();
    const { assignment } = await operator.api.proxies.getAssignment({ workspaceId, assignmentId: idOf(name) });
    return assignment!;
  }
  const filter = await poolFilter(call, command.getOptionValue('pool') as string | undefined);
  const found = await Array.fromAsync(assignments(call, { ...filter, accountName: name }));
  if (found.length > 1) throw usageFailure(`several pools know account ${name}: name the pool with --pool`);
  if (found.length === 0) throw new CommandFailure(EXIT.refused, `account ${name} is bound to no session`);
  return found[0]!;
}
