/**
 * The index is the database: after random commands through the API, the directory that
 * was fed by their changes answers as a plain model says, and as one that is loaded
 * afresh from the store. The seed of a failure is in its message.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import type { Change, PoolId, SessionId, WorkspaceId } from '../../src/core/model.ts';
import { Directory } from '../../src/core/pool-index/directory.ts';
import { type ControlRig, startControlRig } from '../helpers/control-rig.ts';
import { dumpDirectory } from '../helpers/directory-dump.ts';
import { loadFresh } from '../helpers/fresh-load.ts';
import { full, whole } from '../helpers/full.ts';
import { uuidOf } from '../helpers/proxied.ts';

const SEQUENCES = whole ? 10_000 : full ? 1_000 : 100;
const COMMANDS = 8;
/** After each so many sequences the plane starts anew on its store as well. */
const RESTART_EVERY = full ? 100 : 50;

interface ModelPool {
  readonly name: string;
  enabled: boolean;
}
interface ModelSession {
  readonly poolId: string;
  readonly providerId: string;
  readonly token: string;
  enabled: boolean;
  username: string;
  host: string;
}

/** An id of the API as the planes tell it each other. */
const uuid = <Id extends string>(wireId: string) => uuidOf(wireId) as Id;

/** The plain model: maps by the ids of the API (base64). Deleting takes along what lives in it. */
class Model {
  readonly pools = new Map<string, ModelPool>();
  readonly providers = new Map<string, { enabled: boolean }>();
  readonly sessions = new Map<string, ModelSession>();
  readonly assignments = new Map<string, { poolId: string; accountName: string; sessionId: string; pinned: boolean }>();

  deletePool(id: string): void {
    this.pools.delete(id);
    this.deleteSessions((session) => session.poolId === id);
    for (const [key, { poolId }] of this.assignments) if (poolId === id) this.assignments.delete(key);
  }

  deleteProvider(id: string): void {
    this.providers.delete(id);
    this.deleteSessions((session) => session.providerId === id);
  }

  deleteSessions(which: (session: ModelSession) => boolean): void {
    for (const [id, session] of this.sessions) if (which(session)) this.sessions.delete(id);
  }

  serves({ enabled, poolId, providerId }: ModelSession): boolean {
    return enabled && this.pools.get(poolId)!.enabled && this.providers.get(providerId)!.enabled;
  }
}

/** Everything that was ever there, for the dumps. */
const universe = {
  workspaceIds: new Set<WorkspaceId>(),
  poolIds: new Set<PoolId>(),
  poolNames: new Set<string>(['default', 'local']),
  sessionIds: new Set<SessionId>(),
  tokens: new Set<string>(['local']),
  accountNames: new Set<string>(),
  keyHashes: new Set<string>(),
};

let rig: ControlRig;
/** Of the first start. */
let made: ControlRig['made'];
const directory = newDirectory();
let counter = 0;

function newDirectory(): Directory {
  return new Directory({ clock: systemClock, localExit: null });
}

function applyTo(target: Directory, changes: readonly Change[]): void {
  for (const change of structuredClone(changes)) {
    if (change.kind === 'key-put') universe.keyHashes.add(change.key.hash);
    target.apply(change);
  }
}

/** From now on the live directory takes the changes, as the gateway's does. */
function follow(): void {
  rig.onApply(async (changes) => applyTo(directory, changes));
}

beforeAll(async () => {
  rig = await startControlRig();
  ({ made } = rig);
  applyTo(directory, rig.changes);
  for (const id of [made.poolId, made.localPoolId]) universe.poolIds.add(uuid(id));
  universe.workspaceIds.add(uuid(made.workspaceId));
  follow();
});
afterAll(() => rig.close());

/** Small, fast and good enough to choose commands; the same seed makes the same sequence. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const proxies = (name: string, body: object) =>
  rig.ok(`proxies.v1.Proxies/${name}`, { workspaceId: made.workspaceId, ...body });

type Command = (model: Model, random: (below: number) => number) => Promise<void>;
type Entry<T> = readonly [id: string, value: T];

/** One of the entries, or null of none. */
function anyOf<T>(map: ReadonlyMap<string, T>, random: (below: number) => number): Entry<T> | null {
  return [...map][random(Math.max(1, map.size))] ?? null;
}

const createPool: Command = async (model) => {
  const name = `p${counter++}`;
  universe.poolNames.add(name);
  const { pool } = await proxies('CreatePool', { name });
  universe.poolIds.add(uuid(pool.id));
  model.pools.set(pool.id, { name, enabled: true });
};

const connectProvider: Command = async (model) => {
  const { provider } = await proxies('ConnectProvider', { type: 'PROVIDER_TYPE_STATIC', name: `v${counter++}` });
  model.providers.set(provider.id, { enabled: true });
};

const createSessions: Command = async (model, random) => {
  const [pool, provider] = [anyOf(model.pools, random), anyOf(model.providers, random)];
  if (pool === null || provider === null) return;
  const placed = { poolId: pool[0], providerId: provider[0] };
  const rows = Array.from({ length: 1 + random(4) }, () => {
    const token = `t${counter++}`;
    universe.tokens.add(token);
    return { token, scheme: 'http', host: '203.0.113.1', port: 8080, username: `u-${token}`, password: 'p' };
  });
  const single = rows.length === 1;
  const made = single
    ? [(await proxies('CreateSession', { ...placed, ...rows[0] })).session]
    : (await proxies('BulkCreateSessions', { ...placed, sessions: rows })).sessions;
  for (const { id, token, username, host } of made) {
    universe.sessionIds.add(uuid(id));
    model.sessions.set(id, { ...placed, token, username, host, enabled: true });
  }
};

const updateSession: Command = async (model, random) => {
  const found = anyOf(model.sessions, random);
  if (found === null) return;
  const [sessionId, session] = found;
  const change = [
    { enabled: !session.enabled },
    { username: `changed-${counter++}` },
    { host: `198.51.100.${random(200)}`, password: 'again' },
  ][random(3)]!;
  await proxies('UpdateSession', { sessionId, ...change });
  const { password, ...seen } = change as { password?: string };
  Object.assign(session, seen);
};

const deleteSession: Command = async (model, random) => {
  const found = anyOf(model.sessions, random);
  if (found === null) return;
  await proxies('DeleteSession', { sessionId: found[0] });
  model.sessions.delete(found[0]);
};

const toggle: Command = async (model, random) => {
  const isPool = random(2) === 0;
  const found = isPool ? anyOf(model.pools, random) : anyOf(model.providers, random);
  if (found === null) return;
  const [id, place] = found;
  await proxies(isPool ? 'UpdatePool' : 'UpdateProvider', {
    [isPool ? 'poolId' : 'providerId']: id,
    enabled: !place.enabled,
  });
  place.enabled = !place.enabled;
};

const deletePlace: Command = async (model, random) => {
  if (random(2) === 0) {
    const found = anyOf(model.pools, random);
    if (found === null) return;
    await proxies('DeletePool', { poolId: found[0] });
    model.deletePool(found[0]);
  } else {
    const found = anyOf(model.providers, random);
    if (found === null) return;
    await proxies('DeleteProvider', { providerId: found[0] });
    model.deleteProvider(found[0]);
  }
};

const createAssignment: Command = async (model, random) => {
  const found = anyOf(model.sessions, random);
  if (found === null) return;
  const [sessionId, { poolId }] = found;
  const accountName = `a${counter++}`;
  universe.accountNames.add(accountName);
  const pinned = random(2) === 0;
  const { assignment } = await proxies('CreateAssignment', { poolId, sessionId, accountName, pinned });
  model.assignments.set(assignment.id, { poolId, accountName, sessionId, pinned });
};

const changeAssignment: Command = async (model, random) => {
  const found = anyOf(model.assignments, random);
  if (found === null) return;
  const [assignmentId, assignment] = found;
  if (random(3) === 0) {
    await proxies('DeleteAssignment', { assignmentId });
    model.assignments.delete(assignmentId);
    return;
  }
  const others = new Map([...model.sessions].filter(([, { poolId }]) => poolId === assignment.poolId));
  const other = anyOf(others, random);
  const change = other !== null && random(2) === 0 ? { sessionId: other[0] } : { pinned: !assignment.pinned };
  await proxies('UpdateAssignment', { assignmentId, ...change });
  Object.assign(assignment, change);
};

const COMMANDS_BY_WEIGHT: readonly Command[] = [
  ...[createPool, connectProvider, createSessions, createSessions, createSessions, createSessions],
  ...[updateSession, updateSession, updateSession, deleteSession, toggle, deletePlace],
  ...[createAssignment, createAssignment, changeAssignment, changeAssignment],
];

/** What the model says that the directory answers of it. */
function expectModel(model: Model, dump: Record<string, unknown>): void {
  const poolsSeen = Object.keys(dump).filter((question) => /^session /.test(question));
  const wanted = [...model.sessions].map(([id, { poolId }]) => `session ${uuid(poolId)} ${uuid(id)}`);
  const others = [`session ${uuid(made.localPoolId)} `];
  expect(poolsSeen.filter((question) => !others.some((start) => question.startsWith(start))).sort()).toEqual(
    wanted.sort(),
  );
  for (const [id, session] of model.sessions) {
    const authorization = `Basic ${Buffer.from(`${session.username}:${passwordOf(session)}`).toString('base64')}`;
    expect(dump[`session ${uuid(session.poolId)} ${uuid(id)}`]).toMatchObject({
      serves: model.serves(session),
      token: session.token,
      route: { host: session.host, port: 8080, authorization },
    });
  }
  const accounts = Object.keys(dump).filter((question) => question.startsWith('account '));
  const bound = [...model.assignments.values()];
  expect(accounts.sort()).toEqual(
    bound.map(({ poolId, accountName }) => `account ${uuid(poolId)} ${accountName}`).sort(),
  );
  for (const { poolId, accountName, sessionId, pinned } of bound) {
    expect(dump[`account ${uuid(poolId)} ${accountName}`]).toMatchObject({ sessionId: uuid(sessionId), pinned });
  }
}

/** A session's password was given again when its host was changed. */
const passwordOf = ({ host }: ModelSession) => (host === '203.0.113.1' ? 'p' : 'again');

/** A directory that is loaded from the store, by a plane that starts on it. */
async function loadedByRestart(): Promise<Directory> {
  rig = await rig.restart();
  follow();
  return directoryOf(rig.changes);
}

function directoryOf(changes: readonly Change[]): Directory {
  const directory = newDirectory();
  applyTo(directory, changes);
  return directory;
}

/** What a sequence made goes before the next, through the API as well, so that no list grows for ever. */
async function clear(model: Model): Promise<void> {
  for (const poolId of model.pools.keys()) await proxies('DeletePool', { poolId });
  for (const providerId of model.providers.keys()) await proxies('DeleteProvider', { providerId });
  for (const set of [universe.poolIds, universe.sessionIds, universe.tokens, universe.accountNames]) set.clear();
  universe.poolNames.clear();
  universe.poolIds.add(uuid(made.poolId));
}

test(`${SEQUENCES} random sequences of commands leave index, store and model of one mind`, async () => {
  const start = Date.now() % 1_000_000;
  for (let sequence = 0; sequence < SEQUENCES; sequence++) {
    const seed = start + sequence;
    const random = randomFrom(seed);
    const model = new Model();
    try {
      await createPool(model, random);
      await connectProvider(model, random);
      for (let n = 0; n < COMMANDS; n++) await COMMANDS_BY_WEIGHT[random(COMMANDS_BY_WEIGHT.length)]!(model, random);
      const live = dumpDirectory(directory, universe);
      expectModel(model, live);
      expect(dumpDirectory(directoryOf(await loadFresh(rig.directory)), universe)).toEqual(live);
      if (sequence % RESTART_EVERY === RESTART_EVERY - 1) {
        expect(dumpDirectory(await loadedByRestart(), universe)).toEqual(live);
      }
    } catch (error) {
      throw new Error(`sequence ${sequence}, seed ${seed}: ${(error as Error).message}`, { cause: error });
    }
    await clear(model);
  }
}, 3_600_000);
