/**
 * `kill -9` at random moments under four writers that create, change, bind, delete and
 * load in bulk. The parent keeps the journal: what each object was when its last write
 * was acknowledged, and the one write that each writer had under way.
 *
 * After every restart each object is as acknowledged, or as that one write left it,
 * the rows of a bulk all or none of them; nothing else is there.
 */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { full, whole } from '../helpers/full.ts';
import { Product } from '../helpers/product.ts';

const KILLS = whole ? 200 : full ? 30 : 3;
const WRITERS = 4;
const BULK_ROWS = 60;
/** Longest time that writers run before the process is killed. */
const LONGEST_MS = 400;

const product = new Product({ SALLYPORT_ACCESS_LOG: 'false', SALLYPORT_LOG_LEVEL: 'warn' });
beforeAll(async () => {
  await product.start();
});
afterAll(() => product.destroy());

/** Objects by a name of their own, such as `session a`, and what is seen of each; null: it is not there. */
type State = Map<string, string | null>;

/** One writer's objects: a pool, the sessions and assignments in it, and pools beside it. */
class Writer {
  readonly acknowledged: State = new Map();
  /** What the write under way would change, all of it or nothing. */
  underWay: State = new Map();
  /** Ids by the same names. */
  readonly #ids = new Map<string, string>();
  readonly #name: string;
  readonly #poolId: string;
  #count = 0;

  constructor(name: string, poolId: string) {
    this.#name = name;
    this.#poolId = poolId;
  }

  get poolId(): string {
    return this.#poolId;
  }

  get prefix(): string {
    return this.#name;
  }

  /** Writes until a call fails, which is when the process was killed. */
  async run(): Promise<void> {
    try {
      for (;;) await this.#writeSomething();
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
  }

  async #writeSomething(): Promise<void> {
    const n = this.#count++;
    const name = `${this.#name}-${n}`;
    const sessions = this.#live('session');
    const assignments = this.#live('assignment');
    const pools = this.#live('pool');
    const choice = Math.floor(Math.random() * 9);
    const sessionName = sessions[Math.floor(Math.random() * sessions.length)];
    if (choice === 0) return this.#bulk(name);
    if (choice === 1 && sessionName) return this.#delete('DeleteSession', 'sessionId', sessionName);
    if (choice === 2 && sessionName) return this.#update(sessionName, n);
    if (choice === 3 && sessionName) return this.#bind(name, sessionName);
    if (choice === 4 && assignments[0]) return this.#delete('DeleteAssignment', 'assignmentId', assignments[0]);
    if (choice === 5) return this.#createPool(name);
    if (choice === 6 && pools[0]) return this.#delete('DeletePool', 'poolId', pools[0]);
    return this.#create(name);
  }

  #live(kind: string): string[] {
    return [...this.acknowledged]
      .filter(([name, seen]) => seen !== null && name.startsWith(`${kind} `))
      .map(([name]) => name);
  }

  /** One write and its journal: what it changes stands as under way until it is acknowledged. */
  async #write<T>(method: string, body: object, changes: State): Promise<T> {
    this.underWay = changes;
    const answer = await product.proxies(method, body);
    for (const [name, seen] of changes) this.acknowledged.set(name, seen);
    this.underWay = new Map();
    return answer as T;
  }

  async #create(token: string): Promise<void> {
    const row = sessionRow(token);
    const body = { poolId: this.#poolId, providerId: product.bootstrap.providerId, ...row };
    const changes: State = new Map([[`session ${token}`, row.username]]);
    const { session } = await this.#write<{ session: { id: string } }>('CreateSession', body, changes);
    this.#ids.set(`session ${token}`, session.id);
  }

  async #bulk(prefix: string): Promise<void> {
    const rows = Array.from({ length: BULK_ROWS }, (_, n) => sessionRow(`${prefix}-b${n}`));
    const body = { poolId: this.#poolId, providerId: product.bootstrap.providerId, sessions: rows };
    const changes: State = new Map(rows.map(({ token, username }) => [`session ${token}`, username]));
    const made = await this.#write<{ sessions: { id: string; token: string }[] }>('BulkCreateSessions', body, changes);
    for (const { id, token } of made.sessions) this.#ids.set(`session ${token}`, id);
  }

  async #update(name: string, n: number): Promise<void> {
    const username = `changed-${n}`;
    await this.#write('UpdateSession', { sessionId: this.#ids.get(name), username }, new Map([[name, username]]));
  }

  async #bind(accountName: string, sessionName: string): Promise<void> {
    const sessionId = this.#ids.get(sessionName);
    const body = { poolId: this.#poolId, sessionId, accountName };
    const changes: State = new Map([[`assignment ${accountName}`, sessionId!]]);
    const { assignment } = await this.#write<{ assignment: { id: string } }>('CreateAssignment', body, changes);
    this.#ids.set(`assignment ${accountName}`, assignment.id);
  }

  async #createPool(name: string): Promise<void> {
    const { pool } = await this.#write<{ pool: { id: string } }>(
      'CreatePool',
      { name },
      new Map([[`pool ${name}`, name]]),
    );
    this.#ids.set(`pool ${name}`, pool.id);
  }

  async #delete(method: string, field: string, name: string): Promise<void> {
    await this.#write(method, { [field]: this.#ids.get(name) }, new Map([[name, null]]));
  }
}

function sessionRow(token: string) {
  return { token, scheme: 'http', host: '203.0.113.10', port: 8_080, username: `user-${token}`, password: 'p' };
}

/** Every id of a list. */
async function idsOf(method: string, field: string, filter: object): Promise<string[]> {
  const ids: string[] = [];
  let cursor = '';
  do {
    const page = await product.proxies(method, { ...filter, limit: 1_000, cursor });
    ids.push(...page[field]);
    cursor = page.nextCursor;
  } while (cursor !== '');
  return ids;
}

/** Whole objects of a list, a thousand a call. */
// biome-ignore lint/suspicious/noExplicitAny: answers are read as a script with a JSON tool would
async function objectsOf(noun: 'session' | 'assignment' | 'pool', filter: object): Promise<any[]> {
  const Noun = `${noun[0]!.toUpperCase()}${noun.slice(1)}s`;
  const ids = await idsOf(`List${Noun}`, `${noun}Ids`, filter);
  const objects: unknown[] = [];
  for (let at = 0; at < ids.length; at += 1_000) {
    const answer = await product.proxies(`BatchGet${Noun}`, { [`${noun}Ids`]: ids.slice(at, at + 1_000) });
    objects.push(...answer[`${noun}s`]);
  }
  return objects;
}

/** What is really there of a writer's objects. */
async function actualState(writer: Writer): Promise<State> {
  const { poolId, prefix } = writer;
  const sessions = await objectsOf('session', { poolId });
  const assignments = await objectsOf('assignment', { poolId });
  const pools = (await objectsOf('pool', {})).filter(({ name }) => name.startsWith(`${prefix}-`));
  return new Map<string, string | null>([
    ...sessions.map(({ token, username }): [string, string] => [`session ${token}`, username]),
    ...assignments.map(({ accountName, sessionId }): [string, string] => [`assignment ${accountName}`, sessionId]),
    ...pools.map(({ name }): [string, string] => [`pool ${name}`, name]),
  ]);
}

/** The names that are neither as acknowledged nor, all together, as the write under way would have them. */
function differences(writer: Writer, actual: State): string[] {
  const seen = (name: string) => actual.get(name) ?? null;
  const touched = [...writer.underWay];
  const done = touched.length > 0 && touched.every(([name, after]) => seen(name) === after);
  const expected = new Map([...writer.acknowledged, ...(done ? touched : [])]);
  const names = new Set([...expected.keys(), ...actual.keys()]);
  return [...names].filter((name) => seen(name) !== (expected.get(name) ?? null));
}

/** Whether the gateway's index has a writer's first and last sessions, as `GetSession` sees them. */
async function expectResolves(writer: Writer, actual: State): Promise<void> {
  const tokens = [...actual.keys()].filter((name) => name.startsWith('session ')).map((name) => name.slice(8));
  for (const token of new Set([...tokens.slice(0, 1), ...tokens.slice(-2)])) {
    const username = `${writer.prefix}-session-${token}`;
    const found = await product.proxies('ResolveSession', { username, targetHost: 'a.test', targetPort: 80 });
    const { session } = await product.proxies('GetSession', { sessionId: found.sessionId });
    expect(session.token).toBe(token);
  }
}

function soundness(): unknown[] {
  const database = new Database(join(product.dataDir, 'sallyport.db'), { readonly: true });
  try {
    return [
      ...(database.pragma('integrity_check') as unknown[]),
      ...(database.pragma('foreign_key_check') as unknown[]),
    ];
  } finally {
    database.close();
  }
}

test(`killed ${KILLS} times: no acknowledged write is lost, no batch is half there`, async ({ annotate }) => {
  let writes = 0;
  let cut = 0;
  for (let round = 0; round < KILLS; round++) {
    const writers = await Promise.all(
      Array.from({ length: WRITERS }, async (_, n) => {
        const name = `r${round}w${n}`;
        const { pool } = await product.proxies('CreatePool', { name });
        return new Writer(name, pool.id);
      }),
    );
    const running = writers.map((writer) => writer.run());
    const lifeMs = 20 + Math.random() * LONGEST_MS;
    await new Promise((resolve) => setTimeout(resolve, lifeMs));
    await product.kill();
    await Promise.all(running);
    await product.start();
    for (const writer of writers) {
      writes += writer.acknowledged.size;
      cut += writer.underWay.size > 0 ? 1 : 0;
      const actual = await actualState(writer);
      const wrong = differences(writer, actual);
      expect(wrong, `round ${round}, killed after ${lifeMs.toFixed(0)} ms`).toEqual([]);
      await expectResolves(writer, actual);
    }
    expect(soundness()).toEqual([{ integrity_check: 'ok' }]);
  }
  await annotate(`${writes} objects written, ${cut} writes cut off`);
  expect(cut).toBeGreaterThan(KILLS);
}, 1_800_000);
