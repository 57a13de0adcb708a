/** `sallyport workspace …`: tenants, each with its own keys and its own encryption key. */
import { toJson } from '@bufbuild/protobuf';
import type { Command } from 'commander';
import { idOf, uuidOf, type Workspace, WorkspaceSchema } from '../../client/client.ts';
import { walk } from '../../client/pages.ts';
import { addCommand, addNoun, type Call } from './command.ts';
import { addDelete } from './deleting.ts';
import { usageFailure } from './failure.ts';
import type { CommandHost } from './host.ts';
import { notFound } from './names.ts';
import { isId, type Operator } from './operator.ts';
import { timeText } from './output.ts';
import type { Column } from './print-table.ts';

const COLUMNS: readonly Column<Workspace>[] = [
  { title: 'NAME', value: ({ name }) => name },
  { title: 'DESCRIPTION', value: ({ description }) => description ?? '-' },
  { title: 'MADE', value: ({ createdAt }) => timeText(createdAt) },
  { title: 'ID', value: ({ id }) => uuidOf(id) },
];

export function addWorkspaceCommands(program: Command, host: CommandHost): void {
  const workspace = addNoun(program, 'workspace', 'workspaces: tenants with keys and sessions of their own');

  addCommand(
    workspace,
    'list',
    { help: 'list the workspaces that the key sees', example: 'workspace list' },
    host,
    async (call) => {
      const found = await Array.fromAsync(allWorkspaces(call.operator));
      call.out.rows(WorkspaceSchema, found, COLUMNS, 'This key sees no workspace.');
    },
  );

  addCommand(
    workspace,
    'get [workspace]',
    { help: 'show a workspace; the key’s own when none is named', example: 'workspace get default' },
    host,
    async (call) => call.out.one(WorkspaceSchema, await asked(call)),
  );

  addCommand(
    workspace,
    'create <name>',
    {
      help: 'make a workspace with a pool "default"',
      example: 'workspace create crawlers --description "Everything that crawls"',
    },
    host,
    async ({ operator, out, args, command }) => {
      const { description } = command.opts<{ description?: string }>();
      const request = { name: args[0]!, ...(description !== undefined && { description }) };
      const { workspace: made } = await operator.api.accounts.createWorkspace(request);
      out.say(`workspace ${made!.name} is there: ${uuidOf(made!.id)}`);
      out.say(`Next: sallyport key create NAME --policies proxies,gateway --workspace ${uuidOf(made!.id)}`);
      out.tell(toJson(WorkspaceSchema, made!));
    },
  ).option('--description <text>', 'what it is for');

  addCommand(
    workspace,
    'update <workspace>',
    { help: 'change a workspace: only what is given', example: 'workspace update crawlers --name spiders' },
    host,
    async (call) => {
      const { name, description } = call.command.opts<{ name?: string; description?: string }>();
      const before = await asked(call);
      const { workspace: after } = await call.operator.api.accounts.updateWorkspace({
        workspaceId: before.id,
        expectedVersion: before.version,
        ...(name !== undefined && { name }),
        ...(description !== undefined && { description }),
      });
      call.out.one(WorkspaceSchema, after!);
    },
  )
    .option('--name <name>', 'another name')
    .option('--description <text>', 'what it is for; empty for nothing');

  addDelete(workspace, host, {
    argument: '<workspace>',
    example: 'crawlers',
    help: 'delete a workspace and destroy its encryption key',
    find: asked,
    question: ({ name }) => `Delete workspace ${name}? Its secrets are gone for good, from backups as well.`,
    remove: ({ operator }, { id: workspaceId }) => operator.api.accounts.deleteWorkspace({ workspaceId }),
    gone: ({ name }) => `workspace ${name} is gone`,
  });
}

async function* allWorkspaces({ api: { accounts } }: Operator): AsyncGenerator<Workspace> {
  yield* walk({
    page: async (cursor, limit) => {
      const { workspaceIds: ids, nextCursor } = await accounts.listWorkspaces({ cursor, limit });
      return { ids, nextCursor };
    },
    load: async (workspaceIds) => (await accounts.batchGetWorkspaces({ workspaceIds })).workspaces,
  });
}

async function asked({ operator, args }: Call): Promise<Workspace> {
  const [name] = args;
  if (name === undefined || isId(name)) {
    const workspaceId = name === undefined ? await operator.workspaceId() : idOf(name);
    const { workspace } = await operator.api.accounts.getWorkspace({ workspaceId });
    return workspace!;
  }
  const all = await Array.fromAsync(allWorkspaces(operator));
  const found = all.filter((each) => each.name === name);
  if (found.length > 1) throw usageFailure(`several workspaces are called ${name}: give the id of one`);
  if (found.length === 0) {
    const names = all.map((each) => `${each.name}  ${uuidOf(each.id)}`);
    throw notFound('workspace', name, names);
  }
  return found[0]!;
}
