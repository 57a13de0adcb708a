/** `sallyport key …`: API keys, and the keys that secrets are sealed with. */
import { fromJson, toJson } from '@bufbuild/protobuf';
import type { Command } from 'commander';
import {
  type APIKey,
  APIKeySchema,
  CreateAPIKeyRequestSchema,
  idOf,
  type KeyRotation,
  uuidOf,
} from '../../client/client.ts';
import { addCommand, addNoun, type Call } from './command.ts';
import { addDelete } from './deleting.ts';
import { usageFailure } from './failure.ts';
import { addFlags, type Flag, list, moment, requestOf } from './flags.ts';
import type { CommandHost } from './host.ts';
import { notFound } from './names.ts';
import { isId } from './operator.ts';
import { timeText } from './output.ts';
import type { Column } from './print-table.ts';
import { watchRotation } from './rotation.ts';

const FIELDS: readonly Flag[] = [
  {
    name: '--policies',
    type: list,
    help: 'what it may do: proxies, proxies-viewer, gateway, accounts, operator',
    path: ['policies'],
  },
  { name: '--expires', type: moment, help: 'when it ends: a date, or 30d from now', path: ['expiresAt'] },
];

const COLUMNS: readonly Column<APIKey>[] = [
  { title: 'NAME', value: ({ name }) => name },
  { title: 'KEY', value: ({ keyPrefix }) => `${keyPrefix}…` },
  { title: 'POLICIES', value: ({ policies }) => policies.join(',') },
  { title: 'LAST USED', value: ({ lastUsedAt }) => timeText(lastUsedAt) },
  { title: 'EXPIRES', value: ({ expiresAt }) => timeText(expiresAt) },
  { title: 'ID', value: ({ id }) => uuidOf(id) },
];

export function addKeyCommands(program: Command, host: CommandHost): void {
  const key = addNoun(program, 'key', 'API keys, and the keys that secrets are sealed with');

  addCommand(key, 'list', { help: 'list the API keys of the workspace', example: 'key list' }, host, async (call) => {
    call.out.rows(APIKeySchema, await allKeys(call), COLUMNS, 'There is no key.');
  });

  addCommand(
    key,
    'get <key>',
    { help: 'show an API key, never the key itself', example: 'key get crawler' },
    host,
    async (call) => call.out.one(APIKeySchema, await asked(call)),
  );

  const create = addCommand(
    key,
    'create <name>',
    {
      help: 'make an API key, which is shown this once',
      example: 'key create crawler --policies gateway --expires 90d',
    },
    host,
    async ({ operator, out, args, command }) => {
      const request = fromJson(CreateAPIKeyRequestSchema, { ...requestOf(command, FIELDS), name: args[0]! });
      request.workspaceId = await operator.workspaceId();
      if (request.policies.length === 0) throw usageFailure('say what it may do: --policies gateway, for example');
      const { apiKey, rawKey } = await operator.api.accounts.createAPIKey(request);
      out.say(`key ${apiKey!.name} is there. It is shown this once:\n\n  ${rawKey}\n`);
      out.tell({ apiKey: toJson(APIKeySchema, apiKey!), rawKey });
    },
  );
  addFlags(create, FIELDS);

  addDelete(key, host, {
    argument: '<key>',
    example: 'crawler',
    help: 'revoke an API key, from now on',
    find: asked,
    question: ({ name, keyPrefix }) => `Revoke key ${name} (${keyPrefix}…)? Who uses it is refused from then on.`,
    remove: ({ operator }, { id: apiKeyId }) => operator.api.accounts.deleteAPIKey({ apiKeyId }),
    gone: ({ name }) => `key ${name} is revoked`,
  });

  addCommand(
    key,
    'rotate',
    { help: 'seal every stored secret of the workspace with a new key', example: 'key rotate' },
    host,
    rotate,
  )
    .option('--master', 'make a new master key instead, which wraps those of all workspaces')
    .option('--no-wait', 'do not wait for the end');
}

async function rotate(call: Call): Promise<void> {
  const { operator, out, command } = call;
  const { master, wait } = command.opts<{ master?: boolean; wait: boolean }>();
  if (master === true) {
    const { rewrappedCount } = await operator.api.accounts.rotateMasterKey({});
    out.say(
      `a new master key wraps the keys of ${rewrappedCount} workspaces; keep a copy of it apart from the database`,
    );
    return out.tell({ rewrappedCount });
  }
  const workspaceId = await operator.workspaceId();
  const { fromVersion, toVersion } = await operator.api.accounts.rotateWorkspaceKey({ workspaceId });
  if (wait) await watchRotation(() => rotationOf(call), out.host.stage);
  out.say(`secrets are sealed with key ${toVersion} now${wait ? '' : ', and those of before in the background'}`);
  out.tell({ fromVersion, toVersion });
}

async function rotationOf({ operator }: Call): Promise<KeyRotation | undefined> {
  const { workspace } = await operator.api.accounts.getWorkspace({ workspaceId: await operator.workspaceId() });
  return workspace!.keyRotation;
}

async function allKeys({ operator }: Call): Promise<readonly APIKey[]> {
  return (await operator.api.accounts.listAPIKeys({ workspaceId: await operator.workspaceId() })).apiKeys;
}

async function asked(call: Call): Promise<APIKey> {
  const name = call.args[0]!;
  const all = await allKeys(call);
  const found = all.filter((key) => (isId(name) ? uuidOf(key.id) === uuidOf(idOf(name)) : key.name === name));
  if (found.length > 1) throw usageFailure(`several keys are called ${name}: give the id of one`);
  if (found.length === 0) {
    const names = all.map((key) => `${key.name}  ${uuidOf(key.id)}`);
    throw notFound('key', name, names);
  }
  return found[0]!;
}
