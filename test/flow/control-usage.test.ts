/** Daily traffic: what the gateway told is what QueryProxyUsage answers, whole, page by page, and over restarts. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PoolId, ProviderId, SessionId, WorkspaceId } from '../../src/core/model.ts';
import type { UsageDelta } from '../../src/core/observed.ts';
import { type ControlRig, startControlRig, staticSession } from '../helpers/control-rig.ts';
import { Product } from '../helpers/product.ts';
import { ProxiedClient, uuidOf as uuid } from '../helpers/proxied.ts';
import { answerOk, echoTunnel, type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

const QUERY = 'proxies.v1.Proxies/QueryProxyUsage';
const DAY = Date.UTC(2026, 1, 28) / 86_400_000;

interface Usage {
  sessionId: string;
  accountName: string;
  usageDate: string;
  requestCount: string;
  errorCount: string;
  bytesOut: string;
  bytesIn: string;
}

describe('a control plane with a gateway that tells what a test says', () => {
  let rig: ControlRig;
  let told: UsageDelta[] = [];
  const drainUsage = async () => {
    const page = told;
    told = [];
    return page;
  };
  beforeAll(async () => {
    rig = await startControlRig({ gateway: { drainUsage } });
  });
  afterAll(() => rig.close());

  const wire = (id: string) => Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64');
  const delta = (over: Partial<UsageDelta> = {}): UsageDelta => ({
    workspaceId: uuid<WorkspaceId>(rig.made.workspaceId),
    poolId: uuid<PoolId>(rig.made.poolId),
    providerId: uuid<ProviderId>(rig.made.providerId),
    sessionId: randomUUID() as SessionId,
    ...{ accountName: '', day: DAY, requestCount: 3, errorCount: 1, bytesOut: 2 ** 53 - 1, bytesIn: 20 },
    ...over,
  });
  const ask = (more: object = {}) =>
    rig.call(QUERY, {
      workspaceId: rig.made.workspaceId,
      startDate: '2026-02-28',
      endDate: '2026-02-28',
      ...more,
    });
  /** Has deltas booked: a clean stop writes what was told, without a wait for the next second. */
  async function book(...deltas: UsageDelta[]): Promise<void> {
    told = deltas;
    const made = rig.made;
    rig = { ...(await rig.restart()), made };
  }

  test('within seconds a record is there, whole: ids, day, counts as text', async () => {
    const poolId = randomUUID() as PoolId;
    const one = delta({ poolId, accountName: 'ann' });
    told = [one];
    const found = async () => (await ask({ poolId: wire(poolId) })).json.records.length;
    await expect.poll(found, { timeout: 5_000 }).toBe(1);
    expect((await ask({ poolId: wire(poolId) })).json).toEqual({
      records: [
        {
          workspaceId: rig.made.workspaceId,
          providerId: rig.made.providerId,
          poolId: wire(poolId),
          sessionId: wire(one.sessionId),
          accountName: 'ann',
          usageDate: '2026-02-28',
          requestCount: '3',
          errorCount: '1',
          bytesOut: '9007199254740991',
          bytesIn: '20',
        },
      ],
      nextCursor: '',
    });
  });

  test('what a deleted session carried stays readable', async () => {
    const { session } = await rig.ok('proxies.v1.Proxies/CreateSession', staticSession(rig, 'short-lived'));
    await book(delta({ sessionId: uuid(session.id) }));
    await rig.ok('proxies.v1.Proxies/DeleteSession', { workspaceId: rig.made.workspaceId, sessionId: session.id });
    expect((await ask({ sessionId: session.id })).json.records).toMatchObject([{ requestCount: '3' }]);
  });

  test('pages go by day, session, account, newest last, each record once; filters hold together', async () => {
    const [poolId, other] = [randomUUID() as PoolId, randomUUID() as ProviderId];
    const sessions = Array.from({ length: 5 }, () => randomUUID() as SessionId);
    const deltas = sessions.flatMap((sessionId, i) =>
      [0, 1, 2].flatMap((days) =>
        ['', 'ann', 'bob'].map((accountName) =>
          delta({ poolId, sessionId, accountName, day: DAY + days, ...(i === 0 && { providerId: other }) }),
        ),
      ),
    );
    const days = { startDate: '2026-02-28', endDate: '2026-03-01' };
    await book(...deltas);
    const place = ({ usageDate, sessionId, accountName }: Usage) => `${usageDate} ${uuid(sessionId)} ${accountName}`;
    const read = async (filter: object, limit: number) => {
      const places: string[] = [];
      let cursor = '';
      do {
        const { json } = await ask({ poolId: wire(poolId), ...days, ...filter, limit, cursor });
        places.push(...json.records.map(place));
        cursor = json.nextCursor;
      } while (cursor !== '');
      return places;
    };
    const all = await read({}, 1_000);
    expect(all).toEqual([...new Set(all)].sort());
    expect(all).toHaveLength(30);
    for (const limit of [1, 7, 29, 30]) expect(await read({}, limit)).toEqual(all);
    const ann = all.filter((text) => text.endsWith(' ann'));
    expect(await read({ accountName: 'ann' }, 3)).toEqual(ann);
    expect(await read({ accountName: '' }, 4)).toEqual(all.filter((text) => text.endsWith(' ')));
    expect(await read({ providerId: wire(other) }, 2)).toEqual(all.filter((text) => text.includes(sessions[0]!)));
    const [last] = sessions.sort().slice(-1);
    expect(await read({ sessionId: wire(last!), accountName: 'ann' }, 1)).toEqual(
      ann.filter((text) => text.includes(last!)),
    );
  });

  test('what is not there, or another workspace’s, is an empty list', async () => {
    const { workspace } = await rig.ok('accounts.v1.Accounts/CreateWorkspace', { name: 'other' });
    for (const field of ['poolId', 'providerId', 'sessionId']) {
      expect((await ask({ [field]: wire(randomUUID()) })).json).toEqual({ records: [], nextCursor: '' });
    }
    expect((await ask({ accountName: 'nobody' })).json).toEqual({ records: [], nextCursor: '' });
    expect((await ask({ startDate: '2020-01-01', endDate: '2020-01-02' })).json.records).toEqual([]);
    const foreign = await ask({ workspaceId: workspace.id, poolId: rig.made.poolId });
    expect(foreign.json).toEqual({ records: [], nextCursor: '' });
  });

  test('a walk over 20,500 rows that the filter passes over ends with a cursor, not with a wait', async () => {
    const poolId = randomUUID() as PoolId;
    const needle = randomUUID() as ProviderId;
    const one = delta({ poolId });
    const hay = Array.from({ length: 20_500 }, (_, i) => ({ ...one, accountName: `a${i}` }));
    const filter = { poolId: wire(poolId), providerId: wire(needle) };
    const late = delta({ poolId, providerId: needle, day: DAY + 1 });
    const endDate = '2026-03-01';
    await book(...hay, late);
    const first = (await ask({ ...filter, endDate })).json;
    expect([first.records, first.nextCursor === '']).toEqual([[], false]);
    const second = (await ask({ ...filter, endDate, cursor: first.nextCursor })).json;
    expect([second.records.length, second.nextCursor]).toEqual([1, '']);
  }, 60_000);

  test.each([
    ['no start', { startDate: '' }, 'startDate'],
    ['no end', { endDate: undefined }, 'endDate'],
    ['the 29th of February of a common year', { endDate: '2026-02-29' }, 'endDate'],
    ['month 13', { startDate: '2026-13-01' }, 'startDate'],
    ['a time', { startDate: '2026-02-28T00:00:00Z' }, 'startDate'],
    ['short digits', { startDate: '2026-2-8' }, 'startDate'],
    ['an end before the start', { startDate: '2026-03-01' }, 'endDate'],
    ['3,661 days', { endDate: '2036-03-07' }, 'endDate'],
    ['a limit of 1,001', { limit: 1_001 }, 'limit'],
    ['a pool of 15 bytes', { poolId: 'A'.repeat(20) }, 'poolId'],
    ['garbage for a cursor', { cursor: 'x' }, 'cursor'],
    ['a list’s cursor', { cursor: Buffer.concat([Buffer.of(1), Buffer.alloc(16)]).toString('base64url') }, 'cursor'],
  ])('%s is refused by name', async (_name, more, field) => {
    const { json } = await ask(more);
    expect([json.code, json.details?.[0].debug.fieldViolations[0].field]).toEqual(['invalid_argument', field]);
  });

  test('3,660 days are taken; a cursor is of its own query', async () => {
    expect((await ask({ endDate: '2036-03-06' })).status).toBe(200);
    const sessionId = randomUUID() as SessionId;
    const two = [delta({ sessionId }), delta({ sessionId, accountName: 'b' })];
    await book(...two);
    const { nextCursor } = (await ask({ sessionId: wire(sessionId), limit: 1 })).json;
    expect((await ask({ sessionId: wire(sessionId), cursor: nextCursor })).json.records).toHaveLength(1);
    const strange = [`${nextCursor}A`, nextCursor.slice(0, -1), nextCursor.toUpperCase()];
    const days = { startDate: '2026-03-01', endDate: '2026-03-02' };
    for (const cursor of strange) expect((await ask({ cursor })).json.code).toBe('invalid_argument');
    expect((await ask({ ...days, cursor: nextCursor })).json.code).toBe('invalid_argument');
  });
});

describe('the whole product', () => {
  // Its tunnels are cut right away when it stops.
  const product = new Product({ SALLYPORT_DRAIN_GRACE: '100ms' });
  let upstream: RecordingUpstream;
  let sessions: string[];
  beforeAll(async () => {
    await product.start();
    upstream = await startRecordingUpstream();
    const { poolId, providerId } = product.bootstrap;
    const rows = ['a', 'b'].map((token) => ({ token, scheme: 'http', host: '127.0.0.1', port: upstream.port }));
    // Nobody listens at port 1 of this machine.
    const all = [...rows, { ...rows[0], token: 'dead', port: 1 }];
    const answer = await product.proxies('BulkCreateSessions', { poolId, providerId, sessions: all });
    sessions = answer.sessions.map(({ id }: { id: string }) => id);
  });
  afterAll(async () => {
    await product.destroy();
    await upstream.close();
  });

  type Totals = Record<'requestCount' | 'errorCount' | 'bytesOut' | 'bytesIn', number>;

  /** What is booked, of each session in the order above; over two days, should midnight pass. */
  async function booked(): Promise<Totals[]> {
    const day = (offset: number) => new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);
    const days = { startDate: day(-1), endDate: day(1) };
    const { records } = await product.proxies('QueryProxyUsage', { ...days, limit: 1_000 });
    return sessions.map((id) => {
      const own = (records as Usage[]).filter(({ sessionId }) => sessionId === id);
      const sum = (field: keyof Totals) => own.reduce((total, record) => total + Number(record[field]), 0);
      return {
        requestCount: sum('requestCount'),
        errorCount: sum('errorCount'),
        bytesOut: sum('bytesOut'),
        bytesIn: sum('bytesIn'),
      };
    });
  }

  /** What the lines of the log say of the requests that ended, of each session. */
  function logged(): Totals[] {
    const lines = product.output.split('\n').filter((line) => line.includes('"msg":"request"'));
    const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    return sessions.map((id) => {
      const own = records.filter(({ session_id }) => session_id === uuid(id));
      const sum = (field: string) => own.reduce((total, record) => total + Number(record[field]), 0);
      return {
        requestCount: own.length,
        errorCount: own.filter(({ cause }) => cause !== 'ok').length,
        bytesOut: sum('bytes_out'),
        bytesIn: sum('bytes_in'),
      };
    });
  }

  const selector = (token: string) => `default-session-${token}`;

  /** Requests on one connection, through the session of a token. */
  async function carry(token: string, count: number): Promise<void> {
    const client = new ProxiedClient(product.gatewayPort);
    for (let i = 0; i < count; i++) await client.get('http://a.test/', product.authorization(selector(token)));
    client.close();
  }

  /** A tunnel through the session of a token; answers its socket, open. */
  async function tunnel(token: string): Promise<Socket> {
    const socket = connect(product.gatewayPort, '127.0.0.1');
    const authorization = product.authorization(selector(token));
    socket.write(`CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\nProxy-Authorization: ${authorization}\r\n\r\n`);
    const [head] = (await once(socket, 'data')) as [Buffer];
    expect(head.toString('latin1')).toMatch(/^HTTP\/1\.1 200 /);
    return socket;
  }

  /** Sends octets through a tunnel and waits until as many came back. */
  async function echo(socket: Socket, octets: number): Promise<void> {
    const back = new Promise<void>((resolve) => {
      let seen = 0;
      socket.on('data', function count(chunk) {
        seen += chunk.length;
        if (seen < octets) return;
        socket.off('data', count);
        resolve();
      });
    });
    socket.write(Buffer.alloc(octets, 'x'));
    await back;
  }

  test('requests, failures and tunnels are booked to the octet, those cut by a clean stop as well', async () => {
    upstream.behave(answerOk);
    await carry('a', 20);
    await carry('dead', 3);
    upstream.behave(echoTunnel);
    const short = await tunnel('b');
    await echo(short, 100_000);
    short.end();
    const long = await tunnel('b');
    await echo(long, 300_000);
    // What moved is booked although the tunnel goes on.
    await expect.poll(async () => (await booked())[1]!.bytesIn, { timeout: 5_000 }).toBeGreaterThanOrEqual(400_000);
    expect((await booked())[1]!.requestCount).toBe(1);
    // And what moves right before the end.
    await echo(long, 50_000);
    const stopped = product.stop();
    await once(long, 'close');
    expect(await stopped).toBe(0);
    await product.start();
    const totals = await booked();
    expect(totals).toEqual(logged());
    expect(totals.map(({ requestCount, errorCount }) => [requestCount, errorCount])).toEqual([
      [20, 0],
      [2, expect.any(Number)],
      [3, 3],
    ]);
    expect(totals[1]!.bytesOut).toBeGreaterThanOrEqual(450_000);
    expect(totals[0]!.bytesOut + totals[1]!.bytesOut).toBe(upstream.received().length);
  });

  test('kill -9 loses what was carried since the last second or so, and doubles nothing', async () => {
    upstream.behave(answerOk);
    const before = (await booked())[0]!;
    await carry('a', 50);
    const request = (before.bytesOut / before.requestCount) | 0;
    await expect.poll(async () => (await booked())[0]!.requestCount, { timeout: 5_000 }).toBe(before.requestCount + 50);
    const idle = (await booked())[1]!;
    upstream.behave(echoTunnel);
    const long = await tunnel('b');
    long.on('error', () => undefined);
    await echo(long, 200_000);
    const carried = idle.bytesIn + 200_000;
    await expect.poll(async () => (await booked())[1]!.bytesIn, { timeout: 5_000 }).toBeGreaterThanOrEqual(carried);
    upstream.behave(answerOk);
    await carry('a', 10);
    await product.kill();
    await product.start();
    const [after, cut] = await booked();
    expect(cut!.bytesIn).toBeGreaterThanOrEqual(carried);
    expect(cut!.bytesIn).toBeLessThan(carried + 1_000);
    // It never finished, so far as anybody saw.
    expect(cut!.requestCount).toBe(idle.requestCount);
    expect(after!.requestCount).toBeGreaterThanOrEqual(before.requestCount + 50);
    expect(after!.requestCount).toBeLessThanOrEqual(before.requestCount + 60);
    expect(after!.bytesOut).toBe(after!.requestCount * request);
    await carry('a', 5);
    await product.stop();
    await product.start();
    expect((await booked())[0]!.requestCount).toBe(after!.requestCount + 5);
  });
});
