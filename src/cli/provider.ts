/** `sallyport provider …`: where sessions come from. */
import { fromJson, type JsonObject, toJson } from '@bufbuild/protobuf';
import { Argument, type Command } from 'commander';
import {
  ConnectProviderRequestSchema,
  type Provider,
  ProviderSchema,
  ProviderType,
  UpdateProviderRequestSchema,
  uuidOf,
} from '../../client/client.ts';
import { addCommand, addNoun, type Call } from './command.ts';
import { addDelete } from './deleting.ts';
import { addFlags, count, type Flag, onOff, requestOf, text } from './flags.ts';
import type { CommandHost } from './host.ts';
import { allProviders, findPool, findProvider, kindOf } from './names.ts';
import { bytesText, timeText, wordOf } from './output.ts';
import type { Column } from './print-table.ts';
import { readSecret } from './secret-file.ts';
import { addSwitches } from './switching.ts';

const KINDS = Object.keys(ProviderType)
  .filter((name) => name !== 'UNSPECIFIED')
  .map(wordOf);

const FIELDS: readonly Flag[] = [
  { name: '--name', type: text, help: 'what it is called', path: ['name'] },
  { name: '--scheme', type: text, help: 'of its gateway', path: ['endpoint', 'scheme'] },
  { name: '--host', type: text, help: 'of its gateway', path: ['endpoint', 'host'] },
  { name: '--port', type: count, help: 'of its gateway', path: ['endpoint', 'port'] },
  { name: '--username-template', type: text, help: 'such as user-session-{token}', path: ['usernameTemplate'] },
  { name: '--password-template', type: text, help: 'the password alone when left out', path: ['passwordTemplate'] },
  { name: '--token-format', type: text, help: 'such as [a-z0-9]{8,16}', path: ['tokenFormat'] },
  { name: '--mint-tokens', type: onOff, help: 'sticky keys of clients become tokens of its own', path: ['mintTokens'] },
];

const COLUMNS: readonly Column<Provider>[] = [
  { title: 'NAME', value: ({ name }) => name ?? '-' },
  { title: 'KIND', value: ({ type }) => kindOf(type) },
  { title: 'ENABLED', value: ({ enabled }) => (enabled ? 'yes' : 'no') },
  { title: 'TRAFFIC USED', value: ({ state }) => trafficOf(state) },
  { title: 'REFRESHED', value: ({ stateRefreshedAt }) => timeText(stateRefreshedAt) },
  { title: 'ID', value: ({ id }) => uuidOf(id) },
];

function trafficOf(state: Provider['state']): string {
  if (state?.bandwidthUsedBytes === undefined) return '-';
  const used = bytesText(state.bandwidthUsedBytes);
  return state.bandwidthLimitBytes === undefined ? used : `${used} of ${bytesText(state.bandwidthLimitBytes)}`;
}

export function addProviderCommands(program: Command, host: CommandHost): void {
  const provider = addNoun(program, 'provider', 'providers: where sessions come from');

  addCommand(provider, 'list', { help: 'list the providers', example: 'provider list' }, host, async (call) => {
    const providers = await Array.fromAsync(allProviders(call.operator));
    call.out.rows(
      ProviderSchema,
      providers,
      COLUMNS,
      'There is no provider: "sallyport provider connect static" makes one.',
    );
  });

  addCommand(
    provider,
    'get <provider>',
    { help: 'show a provider', example: 'provider get static' },
    host,
    async (call) => call.out.one(ProviderSchema, await asked(call)),
  );

  const connect = addCommand(
    provider,
    'connect',
    {
      help: 'add a provider',
      example: 'provider connect bright-data --credentials-file account.txt',
    },
    host,
    connectProvider,
  );
  connect.addArgument(new Argument('<kind>', 'what it is').choices(KINDS));
  addFlags(connect, FIELDS)
    .option('--pool <pool>', 'where discovered sessions go')
    .option('--credentials-file <file>', 'username:password, or the JSON of the guide to providers');

  const update = addCommand(
    provider,
    'update <provider>',
    {
      help: 'change a provider: only what is given',
      example: 'provider update bright-data --credentials-file account.txt',
    },
    host,
    async (call) => {
      const { command, operator, out } = call;
      const changes = { ...requestOf(command, FIELDS), ...credentialsOf(call), ...(await targetOf(call)) };
      out.one(ProviderSchema, await changeProvider(operator, await asked(call), changes));
    },
  );
  addFlags(update, FIELDS)
    .option('--pool <pool>', 'where discovered sessions go')
    .option('--credentials-file <file>', 'what replaces its credentials');

  addSwitches(provider, host, {
    argument: '<provider>',
    example: 'bright-data',
    help: { enable: 'let its sessions be chosen again', disable: 'let none of its sessions be chosen' },
    schema: ProviderSchema,
    change: async (call, enabled) => changeProvider(call.operator, await asked(call), { enabled }),
    nameOf,
  });

  addCommand(
    provider,
    'refresh <provider>',
    { help: 'ask a provider about itself, and for what it lists', example: 'provider refresh proxyline' },
    host,
    async (call) => {
      const { id: providerId } = await asked(call);
      const workspaceId = await call.operator.workspaceId();
      const { provider: fresh } = await call.operator.api.proxies.refreshProviderState({ workspaceId, providerId });
      call.out.one(ProviderSchema, fresh!);
    },
  );

  addDelete(provider, host, {
    argument: '<provider>',
    example: 'bright-data',
    help: 'delete a provider: its sessions serve no more',
    find: asked,
    question: (found) => `Delete provider ${nameOf(found)}? Its sessions serve no more.`,
    remove: async ({ operator }, { id: providerId }) =>
      operator.api.proxies.deleteProvider({ workspaceId: await operator.workspaceId(), providerId }),
    gone: (found) => `provider ${nameOf(found)} is gone`,
  });
}

async function connectProvider(call: Call): Promise<void> {
  const { operator, out, args, command } = call;
  const request = fromJson(ConnectProviderRequestSchema, {
    ...requestOf(command, FIELDS),
    ...credentialsOf(call),
    ...(await targetOf(call)),
    type: `PROVIDER_TYPE_${args[0]!.toUpperCase().replaceAll('-', '_')}`,
  });
  request.workspaceId = await operator.workspaceId();
  const { provider } = await operator.api.proxies.connectProvider(request);
  out.say(`provider ${nameOf(provider!)} is there: ${uuidOf(provider!.id)}`);
  out.tell(toJson(ProviderSchema, provider!));
}

function nameOf({ name, type }: Provider): string {
  return name ?? kindOf(type);
}

function asked({ operator, args }: Call): Promise<Provider> {
  return findProvider(operator, args[0]!);
}

async function targetOf({ operator, command }: Call): Promise<JsonObject> {
  const pool = command.getOptionValue('pool') as string | undefined;
  if (pool === undefined) return {};
  return { targetPoolId: Buffer.from((await findPool(operator, pool)).id).toString('base64') };
}

/** What the file of `--credentials-file` holds. */
function credentialsOf({ command, out }: Call): JsonObject {
  const file = command.getOptionValue('credentialsFile') as string | undefined;
  if (file === undefined) return {};
  return { credentials: Buffer.from(readSecret(out.host, file)).toString('base64') };
}

/** Changes a provider, unless somebody else has changed it since it was read. */
async function changeProvider(operator: Call['operator'], before: Provider, changes: JsonObject): Promise<Provider> {
  const request = fromJson(UpdateProviderRequestSchema, changes);
  request.workspaceId = await operator.workspaceId();
  request.providerId = Uint8Array.from(before.id);
  request.expectedVersion = before.version;
  const { provider } = await operator.api.proxies.updateProvider(request);
  return provider!;
}
