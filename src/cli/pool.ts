/** `sallyport pool …`: pools and their policies. */
import { fromJson, type JsonObject, toJson } from '@bufbuild/protobuf';
import type { Command } from 'commander';
import {
  CreatePoolRequestSchema,
  OnRevoke,
  type Pool,
  PoolSchema,
  Selection,
  StickinessMode,
  UpdatePoolRequestSchema,
  uuidOf,
} from '../../client/client.ts';
import { addCommand, addNoun } from './command.ts';
import { addDelete } from './deleting.ts';
import { addFlags, choice, count, counts, duration, type Flag, list, onOff, requestOf, text } from './flags.ts';
import type { CommandHost } from './host.ts';
import { allPools, findPool, wordOfEnum } from './names.ts';
import type { Operator } from './operator.ts';
import { durationText } from './output.ts';
import type { Column } from './print-table.ts';
import { addSwitches } from './switching.ts';

const SELECTIONS = ['round-robin', 'random', 'least-connections', 'least-recently-used', 'fastest'];

const POLICY: readonly Flag[] = [
  { name: '--selection', type: choice('SELECTION', SELECTIONS), help: 'how it chooses', path: ['selection'] },
  {
    name: '--sticky',
    type: choice('STICKINESS_MODE', ['soft', 'strict']),
    help: 'whether a sticky key moves when its session cannot serve',
    path: ['stickiness', 'mode'],
  },
  {
    name: '--sticky-idle',
    type: duration,
    help: 'life of a sticky key without a request',
    path: ['stickiness', 'idleTtl'],
  },
  { name: '--sticky-max', type: duration, help: 'longest life of a sticky key', path: ['stickiness', 'maxTtl'] },
  { name: '--attempts', type: count, help: 'sessions tried for one request, 1–10', path: ['failover', 'maxAttempts'] },
  { name: '--deadline', type: duration, help: 'over all attempts', path: ['failover', 'deadline'] },
  {
    name: '--rotate-unhealthy',
    type: onOff,
    help: 'accounts move off a session that cannot serve',
    path: ['autoRotation', 'onUnhealthy'],
  },
  { name: '--rotate-after', type: duration, help: 'accounts move after so long', path: ['autoRotation', 'maxAge'] },
  {
    name: '--eject-after',
    type: count,
    help: 'failures in a row that take a session out',
    path: ['health', 'failuresToEject'],
  },
  { name: '--ejection', type: duration, help: 'how long the first time; it doubles', path: ['health', 'baseEjection'] },
  { name: '--max-ejection', type: duration, help: 'how long at most', path: ['health', 'maxEjection'] },
  { name: '--max-ejected', type: count, help: 'largest part left out, percent', path: ['health', 'maxEjectedPercent'] },
  {
    name: '--probe',
    type: choice('PROBE_KIND', ['tcp', 'handshake', 'url']),
    help: 'probe sessions without traffic',
    path: ['health', 'probe', 'kind'],
  },
  {
    name: '--probe-target',
    type: text,
    help: 'host:port for handshake, a URL for url',
    path: ['health', 'probe', 'target'],
  },
  {
    name: '--probe-interval',
    type: duration,
    help: 'from one probe to the next',
    path: ['health', 'probe', 'interval'],
  },
  { name: '--probe-timeout', type: duration, help: 'of one probe', path: ['health', 'probe', 'timeout'] },
  { name: '--allow', type: list, help: 'targets that it may reach, all others not', path: ['destinations', 'allow'] },
  { name: '--deny', type: list, help: 'targets that it may not reach', path: ['destinations', 'deny'] },
  {
    name: '--connect-ports',
    type: counts,
    help: 'ports that CONNECT may name',
    path: ['destinations', 'connectPorts'],
  },
  {
    name: '--max-tunnels',
    type: count,
    help: 'tunnels of one session, 0 for any',
    path: ['limits', 'maxTunnelsPerSession'],
  },
  {
    name: '--max-dials',
    type: count,
    help: 'dials of one session at a time, 0 for any',
    path: ['limits', 'maxPendingDialsPerSession'],
  },
  {
    name: '--on-revoke',
    type: choice('ON_REVOKE', ['cut', 'drain', 'keep']),
    help: 'what becomes of live tunnels of a revoked session',
    path: ['onRevoke'],
  },
  { name: '--quiet', type: onOff, help: 'responses without header fields of ours', path: ['quiet'] },
  { name: '--via', type: onOff, help: 'add Via to plain requests and responses', path: ['via'] },
];

const COLUMNS: readonly Column<Pool>[] = [
  { title: 'NAME', value: ({ name }) => name },
  { title: 'ENABLED', value: ({ enabled }) => (enabled ? 'yes' : 'no') },
  { title: 'SELECTION', value: ({ selection }) => wordOfEnum(Selection, selection) },
  { title: 'STICKY', value: ({ stickiness }) => wordOfEnum(StickinessMode, stickiness!.mode) },
  { title: 'IDLE', value: ({ stickiness }) => durationText(stickiness!.idleTtl) },
  { title: 'ATTEMPTS', value: ({ failover }) => failover!.maxAttempts! },
  { title: 'ON REVOKE', value: ({ onRevoke }) => wordOfEnum(OnRevoke, onRevoke) },
  { title: 'ID', value: ({ id }) => uuidOf(id) },
];

export function addPoolCommands(program: Command, host: CommandHost): void {
  const pool = addNoun(program, 'pool', 'pools: groups of sessions with one set of policies');

  addCommand(pool, 'list', { help: 'list the pools', example: 'pool list' }, host, async ({ operator, out }) => {
    const pools = await Array.fromAsync(allPools(operator));
    out.rows(PoolSchema, pools, COLUMNS, 'There is no pool yet: "sallyport pool create NAME" makes one.');
  });

  addCommand(
    pool,
    'get <pool>',
    { help: 'show a pool with all its policies', example: 'pool get default' },
    host,
    async ({ operator, out, args }) => out.one(PoolSchema, await findPool(operator, args[0]!)),
  );

  const create = addCommand(
    pool,
    'create <name>',
    { help: 'make a pool', example: 'pool create crawlers --selection least-connections --sticky-idle 30m' },
    host,
    async ({ operator, out, args, command }) => {
      const request = fromJson(CreatePoolRequestSchema, { ...requestOf(command, POLICY), name: args[0]! });
      request.workspaceId = await operator.workspaceId();
      const { pool: made } = await operator.api.proxies.createPool(request);
      out.say(`pool ${made!.name} is there: ${uuidOf(made!.id)}`);
      out.tell(toJson(PoolSchema, made!));
    },
  );
  addFlags(create, POLICY);

  const update = addCommand(
    pool,
    'update <pool>',
    { help: 'change a pool: only what is given', example: 'pool update default --attempts 5 --deny :25' },
    host,
    async ({ operator, out, args, command }) => {
      const before = await findPool(operator, args[0]!);
      const name = command.getOptionValue('name') as string | undefined;
      const changes = { ...withPolicies(before, requestOf(command, POLICY)), ...(name !== undefined && { name }) };
      out.one(PoolSchema, await changePool(operator, before, changes));
    },
  );
  addFlags(update, POLICY).option('--name <name>', 'another name');

  addSwitches(pool, host, {
    argument: '<pool>',
    example: 'default',
    help: { enable: 'let requests use a pool again', disable: 'let no request use a pool' },
    schema: PoolSchema,
    change: async ({ operator, args }, enabled) =>
      changePool(operator, await findPool(operator, args[0]!), { enabled }),
    nameOf: ({ name }) => name,
  });

  addDelete(pool, host, {
    argument: '<pool>',
    example: 'crawlers',
    help: 'delete a pool with its sessions',
    find: ({ operator, args }) => findPool(operator, args[0]!),
    question: ({ name }) => `Delete pool ${name}, with all its sessions and assignments?`,
    remove: async ({ operator }, { id: poolId }) =>
      operator.api.proxies.deletePool({ workspaceId: await operator.workspaceId(), poolId }),
    gone: ({ name }) => `pool ${name} is gone`,
  });
}

/** Messages of a pool that stand as a whole: what is left out of one takes its default. */
const POLICIES = ['stickiness', 'failover', 'autoRotation', 'health', 'destinations', 'limits'] as const;

/** Changes with what they leave of each policy that they touch, so that it stays as it is. */
function withPolicies(before: Pool, changes: JsonObject): JsonObject {
  const now = toJson(PoolSchema, before) as JsonObject;
  const whole = POLICIES.filter((policy) => policy in changes).map((policy) => [
    policy,
    merged(now[policy] as JsonObject | undefined, changes[policy] as JsonObject),
  ]);
  return { ...changes, ...Object.fromEntries(whole) };
}

function merged(before: JsonObject = {}, changes: JsonObject): JsonObject {
  const whole = { ...before };
  for (const [name, value] of Object.entries(changes)) {
    const isMessage = typeof value === 'object' && value !== null && !Array.isArray(value);
    whole[name] = isMessage ? merged(before[name] as JsonObject | undefined, value) : value;
  }
  return whole;
}

/** Changes a pool, unless somebody else has changed it since it was read. */
async function changePool(operator: Operator, before: Pool, changes: JsonObject): Promise<Pool> {
  const request = fromJson(UpdatePoolRequestSchema, changes);
  request.workspaceId = await operator.workspaceId();
  request.poolId = Uint8Array.from(before.id);
  request.expectedVersion = before.version;
  const { pool } = await operator.api.proxies.updatePool(request);
  return pool!;
}
