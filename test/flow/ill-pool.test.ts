/**
 * A pool of 100 upstreams of which 60 fail, each in its own way, over real sockets: clients hardly
 * notice, no more are left out than the pool allows, and all are back soon after they are well.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type GatewayRig, POOL, sessionId, startGatewayRig } from '../helpers/gateway-rig.ts';
import { eventually, listenToComeBack, RawClient } from '../helpers/wire.ts';

const SESSIONS = 100;
const ILL = 60;
const REQUESTS = 3_000;
/** Asked one after the other, so that each failure is known to the next. */
const LANES = 8;
/** What an upstream may take before it counts as failed. */
const PATIENCE_MS = 250;
const EJECTION_MS = 600_000;

type Way = 'refuses' | 'swallows' | 'wrong credentials' | 'denies' | 'garbage' | 'slow' | 'well';
const WAYS: readonly Way[] = ['refuses', 'swallows', 'wrong credentials', 'denies', 'garbage', 'slow'];
const OPEN = 'HTTP/1.1 200 OK\r\n\r\n';

/** One upstream; what it does to a CONNECT changes with `way`. */
class Upstream {
  way: Way = 'well';
  port = 0;
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;

  async listen(): Promise<void> {
    const server = createServer((socket) => this.#serve(socket));
    this.#server = server;
    this.port = await listenToComeBack(server, this.port || null);
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const server = this.#server;
    this.#server = null;
    if (server !== null) await new Promise((resolve) => server.close(resolve));
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket)).on('error', () => undefined);
    socket.once('data', () => {
      if (this.way === 'wrong credentials') socket.end('HTTP/1.1 407 no\r\nContent-Length: 0\r\n\r\n');
      else if (this.way === 'denies') socket.end('HTTP/1.1 403 no\r\nContent-Length: 0\r\n\r\n');
      else if (this.way === 'garbage') socket.end('what is this?\r\n\r\n');
      else if (this.way === 'slow') setTimeout(() => socket.destroyed || socket.write(OPEN), 4 * PATIENCE_MS).unref();
      else if (this.way === 'well') socket.write(OPEN);
    });
  }
}

let rig: GatewayRig;
let upstreams: Upstream[];
beforeEach(async () => {
  const limits = { connectReplyTimeoutMs: PATIENCE_MS, connectTimeoutMs: PATIENCE_MS };
  rig = await startGatewayRig({ limits });
  upstreams = Array.from({ length: SESSIONS }, () => new Upstream());
  await Promise.all(upstreams.map((upstream) => upstream.listen()));
  for (const [n, { port }] of upstreams.entries()) rig.put(n, port);
});
afterEach(async () => {
  await rig.close();
  await Promise.all(upstreams.map((upstream) => upstream.close()));
});

async function fallIll(): Promise<void> {
  for (const [n, upstream] of upstreams.slice(0, ILL).entries()) {
    upstream.way = WAYS[n % WAYS.length]!;
    if (upstream.way === 'refuses') await upstream.close();
  }
}

/** Opens a tunnel and closes it; the first line of the answer. */
async function tunnel(): Promise<string> {
  const client = await RawClient.connect(rig.port);
  await client.send(rig.head('CONNECT a.test:443')).until(({ text }) => text.includes('\r\n\r\n'));
  client.socket.destroy();
  return client.text.slice(0, client.text.indexOf('\r\n'));
}

/** So many tunnels; how many of each answer. */
async function ask(count: number, lanes = LANES): Promise<Map<string, number>> {
  const answers = new Map<string, number>();
  let left = count;
  const lane = async () => {
    while (left-- > 0) {
      const line = await tunnel();
      answers.set(line, (answers.get(line) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return answers;
}

function states() {
  const ids = upstreams.map((_, n) => sessionId(n));
  return rig.gateway.sessionStates({ poolId: POOL, sessionIds: ids });
}

const ejected = () => states().filter(({ health }) => health === 'ejected').length;
const served = (answers: ReadonlyMap<string, number>) => answers.get('HTTP/1.1 200 Connection established') ?? 0;

describe('60 of 100 upstreams fail', () => {
  test('with 70 % allowed out: clients hardly notice, and blame lands where it belongs', {
    timeout: 120_000,
  }, async () => {
    rig.putPool({ maxEjectedPercent: 70, baseEjectionMs: EJECTION_MS, maxEjectionMs: EJECTION_MS });
    await fallIll();
    // Each of the ill has to fail three times before it is known.
    await ask(6 * SESSIONS);
    const answers = await ask(REQUESTS);
    expect(served(answers) / REQUESTS).toBeGreaterThanOrEqual(0.999);
    const found = states();
    for (const [n, upstream] of upstreams.entries()) {
      // Who refuses this target alone is well for every other.
      const isOut = n < ILL && upstream.way !== 'denies';
      expect([n, upstream.way, found[n]!.health]).toEqual([n, upstream.way, isOut ? 'ejected' : 'healthy']);
    }
  });

  test('with the default of 50 %: never more are out, and the least bad serve', { timeout: 120_000 }, async () => {
    rig.putPool({ baseEjectionMs: EJECTION_MS, maxEjectionMs: EJECTION_MS });
    // Three of each five, so that somebody well comes after two others at the most.
    for (const [n, upstream] of upstreams.entries()) if (n % 5 < 3) upstream.way = 'garbage';
    let most = 0;
    for (let i = 0; i < 20; i++) {
      await ask(60);
      most = Math.max(most, ejected());
    }
    expect(most).toBe(SESSIONS / 2);
    // Few at once: the budget of retries is for three at least.
    expect(served(await ask(1_000, 3))).toBeGreaterThanOrEqual(970);
  });

  test('all are back within one half-open round once they are well', { timeout: 120_000 }, async () => {
    rig.putPool({ maxEjectedPercent: 70, baseEjectionMs: 3_000, maxEjectionMs: 6_000 });
    await fallIll();
    await ask(6 * SESSIONS);
    // Some had their first time out already, and are out again or to be tried.
    expect(ejected()).toBeGreaterThan(ILL / 4);
    for (const upstream of upstreams.slice(0, ILL)) {
      if (upstream.way === 'refuses') await upstream.listen();
      upstream.way = 'well';
    }
    await eventually('nobody is out', () => ejected() === 0, 15_000);
    // A round: each of the half-open has its one trial.
    expect(served(await ask(2 * SESSIONS))).toBe(2 * SESSIONS);
    expect(states().filter(({ health }) => health !== 'healthy')).toEqual([]);
  });
});
