/**
 * The tunnels of a soak: short ones at a fixed rate, and held ones, which carry a
 * GET every ten seconds or so and end only when the schedule says so.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { ClientConnection, tunnelledRequest } from '../lib/client.ts';
import { SMALL_BODY } from '../lib/payload.ts';
import type { HeldName, LoadPlan } from './job.ts';
import type { Tally } from './tally.ts';

const INNER = tunnelledRequest('/small');
const PING_SECONDS = 10;
const PING_TICK_MS = 50;
/** What `onRevoke: CUT` promises. */
const CUT_WITHIN_MS = 1_000;

/** Opens a tunnel; throws unless it is answered 200. */
async function open(port: number, authorization: string): Promise<ClientConnection> {
  const client = new ClientConnection(port);
  try {
    const status = await client.openTunnel(authorization);
    if (status !== 200) throw new Error(`CONNECT answered ${status}`);
    return client;
  } catch (error) {
    client.destroy();
    throw error;
  }
}

/** One GET through it; throws unless the answer is the known one. */
async function get(client: ClientConnection): Promise<void> {
  const { status, body } = await client.exchange(INNER);
  if (status !== 200 || body.toString('latin1') !== SMALL_BODY) throw new Error(`GET answered ${status}, or otherwise`);
}

export class ShortTunnels {
  readonly #plan: LoadPlan;
  readonly #tally: Tally;
  readonly #timer: NodeJS.Timeout;
  #underWay = 0;

  constructor(plan: LoadPlan, tally: Tally) {
    this.#plan = plan;
    this.#tally = tally;
    this.#timer = setInterval(() => void this.#one(), 1_000 / plan.tunnelsPerSecond);
  }

  async end(): Promise<void> {
    clearInterval(this.#timer);
    while (this.#underWay > 0) await sleep(10);
  }

  async #one(): Promise<void> {
    this.#underWay++;
    try {
      const client = await open(this.#plan.port, this.#plan.tunnelAuthorization);
      await get(client).finally(() => client.destroy());
      this.#tally.count('tunnels');
    } catch (error) {
      this.#tally.fault(`short tunnel: ${reason(error)}`);
    } finally {
      this.#underWay--;
    }
  }
}

interface Held {
  readonly client: ClientConnection;
  mayEnd: boolean;
  pinging: boolean;
}

export class HeldTunnels {
  readonly #port: number;
  readonly #tally: Tally;
  readonly #open = new Map<string, Held>();
  readonly #timer = setInterval(() => this.#ping(), PING_TICK_MS);
  /** Names that are due for a GET, in turn. */
  #round: string[] = [];
  #roundAt = performance.now();

  constructor(port: number, tally: Tally) {
    this.#port = port;
    this.#tally = tally;
  }

  get count(): number {
    return this.#open.size;
  }

  async hold(tunnels: readonly HeldName[]): Promise<void> {
    await Promise.all(tunnels.map((each) => this.#hold(each)));
  }

  async #hold({ name, authorization }: HeldName): Promise<void> {
    try {
      const held: Held = { client: await open(this.#port, authorization), mayEnd: false, pinging: false };
      this.#open.set(name, held);
      held.client.socket.once('close', () => this.#closed(name, held));
    } catch (error) {
      this.#tally.fault(`held tunnel: ${reason(error)}`);
    }
  }

  expectCut(name: string): void {
    const held = this.#open.get(name);
    if (held !== undefined) held.mayEnd = true;
  }

  /** Resolves when it has ended, or with a fault when it still has not after the second that the product has. */
  async checkCut(name: string): Promise<void> {
    const deadline = performance.now() + CUT_WITHIN_MS;
    while (this.#open.has(name) && performance.now() < deadline) await sleep(2);
    if (!this.#open.has(name)) return;
    this.#tally.fault('held tunnel: outlived its session');
    this.#drop(name);
  }

  end(): void {
    clearInterval(this.#timer);
    for (const name of [...this.#open.keys()]) this.#drop(name);
  }

  #drop(name: string): void {
    const held = this.#open.get(name);
    this.#open.delete(name);
    held?.client.destroy();
  }

  #closed(name: string, held: Held): void {
    if (this.#open.get(name) !== held) return; // we closed it
    this.#open.delete(name);
    if (held.mayEnd) this.#tally.count('cuts');
    else this.#tally.fault('held tunnel: ended by itself');
  }

  /** Spreads the GETs of a round over its ten seconds. */
  #ping(): void {
    const elapsed = (performance.now() - this.#roundAt) / 1_000;
    if (this.#round.length === 0 && elapsed >= PING_SECONDS) {
      this.#round = [...this.#open.keys()];
      this.#roundAt = performance.now();
    }
    const perTick = Math.ceil((this.#open.size * PING_TICK_MS) / 1_000 / PING_SECONDS);
    for (const name of this.#round.splice(0, perTick)) void this.#pingOne(this.#open.get(name));
  }

  async #pingOne(held: Held | undefined): Promise<void> {
    if (held === undefined || held.pinging) return;
    held.pinging = true;
    try {
      await get(held.client);
      this.#tally.count('pings');
    } catch (error) {
      // One that has ended is counted where that is seen; anything else was a wrong answer, or none.
      if (held.client.socket.destroyed || held.client.socket.readableEnded) return;
      this.#tally.fault(`held tunnel: ${reason(error)}`);
    } finally {
      held.pinging = false;
    }
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
