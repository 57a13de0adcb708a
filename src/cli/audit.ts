/**
 * `sallyport audit`: who changed what, and when, newest first, over ListAuditEvents. The API tells
 * the record from its beginning, so that it is read through, and the newest that fit are kept.
 */
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import type { Command } from 'commander';
import { type AuditEvent, AuditEventSchema, idOf, uuidOf } from '../../client/client.ts';
import { addCommand, type Call } from './command.ts';
import { CommandFailure, EXIT, usageFailure } from './failure.ts';
import { howMany, pastTime } from './flags.ts';
import type { CommandHost } from './host.ts';
import { isId, type Operator } from './operator.ts';
import { timeText } from './output.ts';
import type { Column } from './print-table.ts';
import { startBar } from './progress-bar.ts';

const PAGE = 1_000;
const DEFAULT_LIMIT = 50;
const WENT_WELL = 'ok';
/** Longest text of what changed in a table; JSON has all of it. */
const MAX_CHANGES = 80;

interface AuditFlags {
  readonly from?: Date;
  readonly to?: Date;
  readonly key?: string;
  readonly method?: string;
  readonly object?: string;
  readonly refused?: boolean;
  readonly limit: number;
}

export function addAuditCommand(program: Command, host: CommandHost): void {
  const command = addCommand(
    program,
    'audit',
    { help: 'say who changed what, newest first', example: 'audit --method DeleteSession --from 7d' },
    host,
    audit,
  )
    .option('--from <time>', 'since a date or a time, or 7d ago', pastTime)
    .option('--to <time>', 'before a date or a time, or 1h ago', pastTime)
    .option('--key <name|id>', 'by this key alone')
    .option('--method <text>', 'whose method has this in its name, such as session')
    .option('--object <id>', 'of this object alone')
    .option('--refused', 'what was refused or failed')
    .option('--limit <n>', 'so many', howMany, DEFAULT_LIMIT);
  command.addHelpText(
    'after',
    `
Times are of UTC. --json has each event whole, with the hash over it and the event before it, of whatever
workspace: who notes the newest hash elsewhere can tell later whether the record was written anew.`,
  );
}

async function audit({ operator, out, command }: Call): Promise<void> {
  const flags = command.opts<AuditFlags>();
  const keys = await keyNames(operator);
  const matches = filterOf(flags, keys);
  const { found, more } = await newest(operator, flags, matches, out.host.stage);
  out.rows(AuditEventSchema, found.reverse(), columnsOf(keys), 'Nothing of that is on record.');
  if (more > 0) out.say(`… and ${more.toLocaleString('en')} before them: --limit N shows more`);
}

/** The names of the keys that there are, by id. */
async function keyNames(operator: Operator): Promise<ReadonlyMap<string, string>> {
  const { apiKeys } = await operator.api.accounts.listAPIKeys({ workspaceId: await operator.workspaceId() });
  return new Map(apiKeys.map(({ id, name }) => [uuidOf(id), name]));
}

function filterOf(flags: AuditFlags, keys: ReadonlyMap<string, string>): (event: AuditEvent) => boolean {
  const { key, object, refused } = flags;
  const method = flags.method?.toLowerCase();
  const isName = key !== undefined && !isId(key);
  if (isName && ![...keys.values()].includes(key)) throw new CommandFailure(EXIT.refused, `no key is called ${key}`);
  if (object !== undefined && !isId(object)) throw usageFailure('--object takes an id');
  const actor = key === undefined || isName ? null : uuidOf(idOf(key));
  const objectId = object === undefined ? null : uuidOf(idOf(object));
  return (event) => {
    const who = event.actorKeyId === undefined ? '' : uuidOf(event.actorKeyId);
    if (actor !== null && who !== actor) return false;
    if (isName && keys.get(who) !== key) return false;
    if (method !== undefined && !event.method.toLowerCase().includes(method)) return false;
    if (objectId !== null && (event.objectId === undefined || uuidOf(event.objectId) !== objectId)) return false;
    return refused !== true || event.outcome !== WENT_WELL;
  };
}

/** The newest events that match, oldest first, and how many more do. */
async function newest(
  operator: Operator,
  { from, to, limit }: AuditFlags,
  matches: (event: AuditEvent) => boolean,
  stage: NodeJS.WriteStream | null,
): Promise<{ readonly found: AuditEvent[]; readonly more: number }> {
  const workspaceId = await operator.workspaceId();
  const bar = startBar(stage, 0, '{done} events read', { done: '0' });
  let found: AuditEvent[] = [];
  let count = 0;
  let read = 0;
  try {
    for (let cursor = ''; ; ) {
      const { events, nextCursor } = await operator.api.accounts.listAuditEvents({ workspaceId, cursor, limit: PAGE });
      const meant = events.filter((event) => isWithin(event, from, to) && matches(event));
      count += meant.length;
      found = [...found, ...meant].slice(-limit);
      read += events.length;
      bar.update(0, { done: read.toLocaleString('en') });
      if (nextCursor === '') return { found, more: count - found.length };
      cursor = nextCursor;
    }
  } finally {
    bar.stop();
  }
}

function isWithin({ time }: AuditEvent, from: Date | undefined, to: Date | undefined): boolean {
  const at = timestampDate(time!);
  return (from === undefined || at >= from) && (to === undefined || at < to);
}

function columnsOf(keys: ReadonlyMap<string, string>): readonly Column<AuditEvent>[] {
  return [
    { title: 'TIME', value: ({ time }) => timeText(time) },
    { title: 'WHO', value: ({ actorKeyId: id }) => whoOf(id, keys) },
    { title: 'WHAT', value: ({ method }) => method.split('/').at(-1)! },
    { title: 'OBJECT', value: objectOf },
    { title: 'OUTCOME', value: ({ outcome }) => outcome },
    { title: 'CHANGED', value: changesOf },
  ];
}

/** A key by its name; by its id where it is gone, or of another workspace. */
function whoOf(id: Uint8Array | undefined, keys: ReadonlyMap<string, string>): string {
  if (id === undefined) return 'the service';
  return keys.get(uuidOf(id)) ?? uuidOf(id);
}

/** What people call the object, as far as the event knows it. */
function objectOf({ before, after, objectId, count }: AuditEvent): string {
  for (const field of ['token', 'name', 'accountName']) {
    const value = after?.[field] ?? before?.[field];
    // Of a change of name, both sides are told of beside it.
    if (typeof value === 'string' && (before === undefined || after === undefined)) return value;
  }
  if (objectId !== undefined) return uuidOf(objectId);
  return count === 0 ? '-' : `${count.toLocaleString('en')} of them`;
}

/** `port: 80 → 81`, of a change of what was there; the reason of what the service did by itself. */
function changesOf({ before, after }: AuditEvent): string {
  if (before === undefined || after === undefined) {
    return typeof after?.reason === 'string' ? after.reason : '-';
  }
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const text = names.map((name) => `${name}: ${sideOf(before, name)} → ${sideOf(after, name)}`).join(', ');
  return text.length <= MAX_CHANGES ? text : `${text.slice(0, MAX_CHANGES - 1)}…`;
}

function sideOf(side: JsonObject, name: string): string {
  const value: JsonValue | undefined = side[name];
  if (value === undefined) return '-';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
