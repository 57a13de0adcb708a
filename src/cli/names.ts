/**
 * What a person calls a thing, found: pools by name, providers by name or kind, sessions by token,
 * all of them by id. Whoever is not found is told what there is.
 */
import { idOf, type Pool, type Provider, ProviderType, type Session, uuidOf } from '../../client/client.ts';
import { walk } from '../../client/pages.ts';
import { CommandFailure, EXIT, usageFailure } from './failure.ts';
import { isId, type Operator } from './operator.ts';
import { wordOf } from './output.ts';

/** Names told to somebody whose own is none of them. */
const MAX_TOLD = 20;

export async function* allPools(operator: Operator, most?: number): AsyncGenerator<Pool> {
  const workspaceId = await operator.workspaceId();
  const { proxies } = operator.api;
  yield* walk(
    {
      page: async (cursor, limit) => {
        const { poolIds: ids, nextCursor } = await proxies.listPools({ workspaceId, cursor, limit });
        return { ids, nextCursor };
      },
      load: async (poolIds) => (await proxies.batchGetPools({ workspaceId, poolIds })).pools,
    },
    most,
  );
}

export async function* allProviders(operator: Operator, most?: number): AsyncGenerator<Provider> {
  const workspaceId = await operator.workspaceId();
  const { proxies } = operator.api;
  yield* walk(
    {
      page: async (cursor, limit) => {
        const { providerIds: ids, nextCursor } = await proxies.listProviders({ workspaceId, cursor, limit });
        return { ids, nextCursor };
      },
      load: async (providerIds) => (await proxies.batchGetProviders({ workspaceId, providerIds })).providers,
    },
    most,
  );
}

/** Sessions of a workspace, or of one pool or provider of it. */
export async function* allSessions(
  operator: Operator,
  of: { readonly poolId?: Uint8Array<ArrayBuffer>; readonly providerId?: Uint8Array<ArrayBuffer> } = {},
  most?: number,
): AsyncGenerator<Session> {
  const workspaceId = await operator.workspaceId();
  const { proxies } = operator.api;
  yield* walk(
    {
      page: async (cursor, limit) => {
        const { sessionIds: ids, nextCursor } = await proxies.listSessions({ workspaceId, ...of, cursor, limit });
        return { ids, nextCursor };
      },
      load: async (sessionIds) => (await proxies.batchGetSessions({ workspaceId, sessionIds })).sessions,
    },
    most,
  );
}

/** The pool of this name or id. Throws a CommandFailure when there is none. */
export async function findPool(operator: Operator, asked: string): Promise<Pool> {
  if (isId(asked)) return loadPool(operator, asked);
  const others: string[] = [];
  for await (const pool of allPools(operator)) {
    if (pool.name === asked) return pool;
    others.push(pool.name);
  }
  throw notFound('pool', asked, others);
}

async function loadPool(operator: Operator, id: string): Promise<Pool> {
  const { pool } = await operator.api.proxies.getPool({ workspaceId: await operator.workspaceId(), poolId: idOf(id) });
  return pool!;
}

/** The provider of this name, kind (`static`) or id; of none, the only one that takes sessions from a list. */
export async function findProvider(operator: Operator, asked: string | undefined): Promise<Provider> {
  const all = await Array.fromAsync(allProviders(operator));
  const kind = asked === undefined ? 'static' : asked;
  const named = all.filter(({ id, name }) =>
    isId(kind) ? uuidOf(id) === uuidOf(idOf(kind)) : asked !== undefined && name === asked,
  );
  const found = named.length > 0 ? named : all.filter(({ type }) => kindOf(type) === kind.toLowerCase());
  if (found.length === 1) return found[0]!;
  const names = all.map(nameOfProvider);
  if (found.length === 0) throw notFound('provider', kind, names);
  const how = asked === undefined ? 'name one with --provider' : 'give the name or id of one';
  throw usageFailure(`several providers are meant by ${kind}: ${how}\n${told(found.map(nameOfProvider))}`);
}

/** `static`, `bright-data`: as commands have kinds of providers. */
export function kindOf(type: ProviderType): string {
  return wordOfEnum(ProviderType, type);
}

/** The word for a value of an enum, as flags take it. */
export function wordOfEnum(values: Readonly<Record<string, number>>, value: number): string {
  return wordOf(Object.keys(values).find((name) => values[name] === value) ?? String(value));
}

function nameOfProvider({ id, name, type }: Provider): string {
  return `${name ?? '-'}  ${kindOf(type)}  ${uuidOf(id)}`;
}

/** The session of this id, or of this token in a pool. Throws a CommandFailure when there is none. */
export async function findSession(operator: Operator, asked: string, poolName: string | undefined): Promise<Session> {
  const workspaceId = await operator.workspaceId();
  if (isId(asked)) {
    const { session } = await operator.api.proxies.getSession({ workspaceId, sessionId: idOf(asked) });
    return session!;
  }
  const of = poolName === undefined ? {} : { poolId: Uint8Array.from((await findPool(operator, poolName)).id) };
  const found: Session[] = [];
  for await (const session of allSessions(operator, of)) if (session.token === asked) found.push(session);
  if (found.length === 1) return found[0]!;
  if (found.length > 1) throw usageFailure(`several pools have a session ${asked}: name the pool with --pool`);
  throw new CommandFailure(EXIT.refused, `no session has the token ${asked}`);
}

/** Nothing is called so; tells what there is. */
export function notFound(what: string, asked: string, others: readonly string[]): CommandFailure {
  const rest = others.length === 0 ? 'there is none yet' : `there are:\n${told(others)}`;
  return new CommandFailure(EXIT.refused, `no ${what} is called ${asked}; ${rest}`);
}

function told(names: readonly string[]): string {
  const more = names.length > MAX_TOLD ? `\n  … and ${names.length - MAX_TOLD} more` : '';
  return names
    .slice(0, MAX_TOLD)
    .map((name) => `  ${name}`)
    .join('\n')
    .concat(more);
}
