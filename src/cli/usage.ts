/**
 * `sallyport usage`: what was carried, day by day or by pool, provider, session or account, over
 * QueryProxyUsage. Its records are of one session, account and day each; here they are added up.
 *
 *   records ─▶ those alike in what `--by` names ─▶ one record that says no more than that, and the sums
 */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Command, InvalidArgumentError } from 'commander';
import { idOf, type UsageRecord, UsageRecordSchema, uuidOf } from '../../client/client.ts';
import { addCommand, type Call } from './command.ts';
import { usageFailure } from './failure.ts';
import { howMany, pastTime } from './flags.ts';
import type { CommandHost } from './host.ts';
import { allPools, allProviders, findPool, findProvider, findSession, kindOf } from './names.ts';
import { isId, type Operator } from './operator.ts';
import { bytesText } from './output.ts';
import { type Column, tableText } from './print-table.ts';

/** Of one page, and of one batch of sessions whose tokens are asked for. */
const PAGE = 1_000;
const DAY_MS = 86_400_000;
/** Days that are told of when nobody says which: today and those before it. */
const DEFAULT_DAYS = 7;

/** What records are told apart by: the field that stays in a sum. */
const PARTS = {
  day: 'usageDate',
  pool: 'poolId',
  provider: 'providerId',
  session: 'sessionId',
  account: 'accountName',
} as const;
type Part = keyof typeof PARTS;

interface UsageFlags {
  readonly from?: Date;
  readonly to?: Date;
  readonly by: readonly Part[];
  readonly pool?: string;
  readonly provider?: string;
  readonly session?: string;
  readonly account?: string;
  readonly limit?: number;
}

export function addUsageCommand(program: Command, host: CommandHost): void {
  const command = addCommand(
    program,
    'usage',
    { help: 'say what was carried, by day, pool, provider, session or account', example: 'usage --from 30d --by pool' },
    host,
    usage,
  )
    .option('--from <date>', 'first day, such as 2026-11-01, or 30d ago; six days before the last one', pastTime)
    .option('--to <date>', 'last day; today', pastTime)
    .option('--by <part,…>', `what to tell apart: ${Object.keys(PARTS).join(', ')}`, partsOf, ['day'])
    .option('--pool <pool>', 'of this pool alone')
    .option('--provider <provider>', 'of this provider alone')
    .option('--session <token|id>', 'of this session alone')
    .option('--account <account>', "of this account alone; '' for requests without one")
    .option('--limit <n>', 'so many rows; the total is of all', howMany);
  command.addHelpText(
    'after',
    `
Days are of UTC. What is gone, such as a deleted pool, is told of by its id.
With --json, rows are usage records of the API that have the fields of --by.`,
  );
}

function partsOf(value: string): Part[] {
  const parts = [...new Set(value.split(','))];
  if (!parts.every((part) => Object.hasOwn(PARTS, part))) {
    throw new InvalidArgumentError(`It must be of ${Object.keys(PARTS).join(', ')}, several by commas.`);
  }
  return parts as Part[];
}

async function usage({ operator, out, command }: Call): Promise<void> {
  const flags = command.opts<UsageFlags>();
  const { from, to } = daysOf(flags);
  const sums = await sumsOf(operator, { ...(await filterOf(operator, flags)), startDate: from, endDate: to }, flags.by);
  const names = await namesOf(operator, flags.by, sums);
  const sorted = sortedBy(flags.by, sums, names);
  const shown = sorted.slice(0, flags.limit);
  const total = sumOf({}, sums);
  const columns = columnsOf(flags.by, names, total);
  const rows = sums.length > 1 ? [...shown, total] : shown;
  if (out.json) return out.rows(UsageRecordSchema, shown, [], '');
  const period = `from ${from} to ${to}`;
  out.say(tableText(rows, columns, `Nothing was carried ${period}.`));
  if (shown.length < sorted.length) out.say(`… and ${sorted.length - shown.length} more`);
  if (shown.length > 0) out.say(`\nCarried ${period}, days of UTC.`);
}

function daysOf(flags: UsageFlags): { readonly from: string; readonly to: string } {
  const last = flags.to ?? new Date();
  const first = flags.from ?? new Date(last.getTime() - (DEFAULT_DAYS - 1) * DAY_MS);
  const [from, to] = [first, last].map((day) => day.toISOString().slice(0, 10)) as [string, string];
  if (from > to) throw usageFailure(`--from ${from} is after --to ${to}`);
  return { from, to };
}

/** What is called by its id may be gone: it is asked for as it is. */
async function filterOf(operator: Operator, { pool, provider, session, account }: UsageFlags) {
  const idBy = async (asked: string, find: () => Promise<{ readonly id: Uint8Array }>) =>
    Uint8Array.from(isId(asked) ? idOf(asked) : (await find()).id);
  return {
    workspaceId: await operator.workspaceId(),
    ...(pool !== undefined && { poolId: await idBy(pool, () => findPool(operator, pool)) }),
    ...(provider !== undefined && { providerId: await idBy(provider, () => findProvider(operator, provider)) }),
    ...(session !== undefined && { sessionId: await idBy(session, () => findSession(operator, session, pool)) }),
    ...(account !== undefined && { accountName: account }),
  };
}

type Query = Parameters<Operator['api']['proxies']['queryProxyUsage']>[0];

/** The sums of all records that a query finds. */
async function sumsOf(operator: Operator, query: Query, by: readonly Part[]): Promise<UsageRecord[]> {
  const sums = new Map<string, UsageRecord>();
  for (let cursor = ''; ; ) {
    const page = await operator.api.proxies.queryProxyUsage({ ...query, cursor, limit: PAGE });
    for (const record of page.records) {
      const key = by.map((part) => keyOf(part, record)).join('\0');
      const kept = Object.fromEntries(by.map((part) => [PARTS[part], record[PARTS[part]]]));
      sums.set(key, sumOf(kept, [sums.get(key) ?? create(UsageRecordSchema), record]));
    }
    // A page may be short, or empty, before the end.
    if (page.nextCursor === '') return [...sums.values()];
    cursor = page.nextCursor;
  }
}

function sumOf(kept: MessageInitShape<typeof UsageRecordSchema>, records: readonly UsageRecord[]): UsageRecord {
  const sum = create(UsageRecordSchema, kept);
  for (const each of records) {
    sum.requestCount += each.requestCount;
    sum.errorCount += each.errorCount;
    sum.bytesOut += each.bytesOut;
    sum.bytesIn += each.bytesIn;
  }
  return sum;
}

/** What a record is told apart by, as text: the id of what has one. */
function keyOf(part: Part, record: UsageRecord): string {
  const value = record[PARTS[part]];
  return typeof value === 'string' ? value : uuidOf(value);
}

/** Names by id, of what is in the sums and still there. */
async function namesOf(
  operator: Operator,
  by: readonly Part[],
  sums: readonly UsageRecord[],
): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>();
  if (by.includes('pool')) for await (const { id, name } of allPools(operator)) names.set(uuidOf(id), name);
  if (by.includes('provider')) {
    for await (const { id, name, type } of allProviders(operator)) names.set(uuidOf(id), name ?? kindOf(type));
  }
  if (by.includes('session')) {
    const ids = [...new Map(sums.map(({ sessionId }) => [uuidOf(sessionId), sessionId])).values()];
    const workspaceId = await operator.workspaceId();
    for (let at = 0; at < ids.length; at += PAGE) {
      const sessionIds = ids.slice(at, at + PAGE);
      const { sessions } = await operator.api.proxies.batchGetSessions({ workspaceId, sessionIds });
      for (const { id, token } of sessions) names.set(uuidOf(id), token);
    }
  }
  return names;
}

/** Days in their order; without days, who carried most comes first. */
function sortedBy(
  by: readonly Part[],
  sums: readonly UsageRecord[],
  names: ReadonlyMap<string, string>,
): readonly UsageRecord[] {
  const bytes = ({ bytesIn, bytesOut }: UsageRecord) => Number(bytesIn + bytesOut);
  if (!by.includes('day')) return sums.toSorted((a, b) => bytes(b) - bytes(a));
  const text = (record: UsageRecord) => by.map((part) => nameOf(part, record, names)).join('\0');
  return sums.toSorted((a, b) => text(a).localeCompare(text(b)));
}

function nameOf(part: Part, record: UsageRecord, names: ReadonlyMap<string, string>): string {
  const key = keyOf(part, record);
  return names.get(key) ?? (key === '' ? '-' : key);
}

function columnsOf(
  by: readonly Part[],
  names: ReadonlyMap<string, string>,
  total: UsageRecord,
): readonly Column<UsageRecord>[] {
  const n = (count: bigint) => count.toLocaleString('en');
  const parts = by.map((part, i) => ({
    title: part.toUpperCase(),
    value: (record: UsageRecord) => (record === total ? (i === 0 ? 'TOTAL' : '') : nameOf(part, record, names)),
  }));
  return [
    ...parts,
    { title: 'REQUESTS', right: true, value: ({ requestCount }) => n(requestCount) },
    { title: 'FAILED', right: true, value: ({ errorCount }) => n(errorCount) },
    { title: 'SENT', right: true, value: ({ bytesOut }) => bytesText(bytesOut) },
    { title: 'RECEIVED', right: true, value: ({ bytesIn }) => bytesText(bytesIn) },
  ];
}
