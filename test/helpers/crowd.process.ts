/**
 * The child of `crowd.ts`: clients by the thousand, or the upstream that serves
 * them, in a process of its own, so that what it measures is not its own work for
 * the tests. It does what it is told, one order at a time:
 *
 *   serve      be an HTTP upstream: /ok is answered at once, /big with a mebibyte, a CONNECT never
 *   steady     send requests at a fixed rate, whether or not they are answered (open loop)
 *   windows    what the steady ones met, by half seconds, since the last such order
 *   slow       open and keep up connections that dribble a head, dribble a body, or read in dribs
 *   lived      how long the dribbled heads lived, milliseconds
 *   burst      open connections at a rate, send on each, and time each answer; `holdMs` keeps them
 *   stop       end all that is open, and what would open more
 */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import process from 'node:process';
import type { BurstReport, Order, SlowKind, Window } from './crowd.ts';

const WINDOW_MS = 500;
/** Each slow connection moves once in so long; all of them evenly spread over it, as clients that know nothing of each other are. */
const DRIBBLE_MS = 1_000;
const STEP_MS = 1;
/** What one that reads in dribs takes each time (slowhttptest's `-X` takes 32 in 5 s). */
const READ_BYTES = 512;
/** Without an answer for so long, a connection that should have had one hangs, and counts as held. */
const HANGS_MS = 20_000;
/** More than the kernel holds for a connection that is read in dribs. */
const BIG = Buffer.alloc(1 << 20, 'b');

const open = new Set<Socket>();
const timers = new Set<NodeJS.Timeout>();

function every(ms: number, act: () => void): NodeJS.Timeout {
  const timer = setInterval(act, ms);
  timers.add(timer);
  return timer;
}

function dial(port: number): Socket {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  open.add(socket);
  socket.on('error', () => undefined); // shows as the close
  socket.once('close', () => open.delete(socket));
  return socket;
}

function stop(): void {
  for (const timer of timers) clearInterval(timer);
  timers.clear();
  keepUp = null;
  // A reset: an end alone might be one that still waits for its answer.
  for (const socket of open) socket.resetAndDestroy();
}

function serve(): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined); // the gateway may cut
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (text.startsWith('CONNECT') || text.startsWith('POST')) {
        text = text.slice(0, 8);
        return;
      }
      for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
        const big = text.slice(0, end).includes('/big');
        text = text.slice(end + 4);
        if (!big) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
        else if (socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${BIG.length}\r\n\r\n`)) socket.write(BIG);
      }
    });
  });
  return new Promise((resolve) =>
    server.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 }, () =>
      resolve((server.address() as AddressInfo).port),
    ),
  );
}

let errors = 0;
let windows: Window[] = [];

/** Keep-alive connections that take turns; one that is still waited for counts when it is answered. */
class Lanes {
  readonly #port: number;
  readonly #head: string;
  readonly #asks: (() => void)[];
  #turn = 0;
  #sample: number[] = [];

  constructor(port: number, head: string, connections: number) {
    this.#port = port;
    this.#head = head;
    this.#asks = Array.from({ length: connections }, () => this.#lane());
  }

  ask(): void {
    this.#asks[this.#turn++ % this.#asks.length]!();
  }

  /** How long the answers since the last call took, sorted, ms. */
  times(): number[] {
    return this.#sample.splice(0).sort((a, b) => a - b);
  }

  #lane(): () => void {
    const waiting: number[] = [];
    let socket: Socket | null = null;
    let text = '';
    const open = (): Socket => {
      text = '';
      const opened = dial(this.#port);
      opened.on('data', (chunk) => {
        text += chunk.toString('latin1');
        for (let end = text.indexOf('\r\n\r\nok'); end !== -1; end = text.indexOf('\r\n\r\nok')) {
          if (!text.startsWith('HTTP/1.1 200 ')) errors++;
          text = text.slice(end + 6);
          this.#sample.push(performance.now() - waiting.shift()!);
        }
      });
      opened.once('close', () => {
        errors += waiting.splice(0).length;
        socket = null;
      });
      return opened;
    };
    return () => {
      socket ??= open();
      waiting.push(performance.now());
      socket.write(this.#head);
    };
  }
}

/** Sends at a fixed rate through the gateway, and as often straight to the upstream, to see what the machine does. */
function steady({ port, straightPort, head, perSecond, connections }: Extract<Order, { do: 'steady' }>): void {
  const through = new Lanes(port, head, connections);
  const straight = new Lanes(straightPort, head, connections);
  const startedAt = performance.now();
  let sent = 0;
  every(2, () => {
    const due = ((performance.now() - startedAt) / 1_000) * perSecond;
    for (; sent < due; sent++) {
      through.ask();
      straight.ask();
    }
  });
  every(WINDOW_MS, () => {
    const times = through.times();
    const beside = straight.times();
    if (times.length === 0 || beside.length === 0) return;
    windows.push({ count: times.length, p50: at(times, 0.5), p99: at(times, 0.99), straightP99: at(beside, 0.99) });
  });
}

function at(sorted: readonly number[], part: number): number {
  return sorted[Math.floor((sorted.length - 1) * part)]!;
}

let lives: number[] = [];

/** What dribbles, by the step of the second in which it does. */
const dribbling = Array.from({ length: DRIBBLE_MS / STEP_MS }, () => new Set<() => void>());
let opened = 0;
let keepUp: NodeJS.Timeout | null = null;

function keepDribbling(): NodeJS.Timeout {
  let step = 0;
  const startedAt = performance.now();
  return every(STEP_MS, () => {
    for (; step * STEP_MS < performance.now() - startedAt; step++) {
      for (const dribble of dribbling[step % dribbling.length]!) dribble();
    }
  });
}

function slow(kind: SlowKind, port: number, head: string): void {
  const socket = dial(port);
  const bornAt = performance.now();
  const together = dribbling[opened++ % dribbling.length]!;
  const dribble = (): void => {
    if (kind === 'read') socket.read(READ_BYTES);
    else if (socket.writable) socket.write('x');
  };
  together.add(dribble);
  // Whoever listens for 'readable' takes what it asks for; the kernel's buffers fill behind it.
  if (kind === 'read') socket.on('readable', () => undefined);
  else socket.resume();
  // A dribbled head has all but its end.
  socket.once('connect', () => socket.write(kind === 'head' ? head.slice(0, -4) : head));
  socket.once('close', () => {
    together.delete(dribble);
    if (kind === 'head') lives.push(performance.now() - bornAt);
    if (keepUp !== null) slow(kind, port, head);
  });
}

async function burst(port: number, n: number, perSecond: number, head: string, holdMs: number): Promise<BurstReport> {
  const statuses: Record<string, number> = {};
  const refusedMs: number[] = [];
  const startedAt = performance.now();
  let begun = 0;
  const one = (): Promise<void> =>
    new Promise((resolve) => {
      const socket = dial(port);
      const bornAt = performance.now();
      let text = '';
      let settled = false;
      const settle = (status: string): void => {
        if (settled) return;
        settled = true;
        statuses[status] = (statuses[status] ?? 0) + 1;
        if (status === '503') refusedMs.push(performance.now() - bornAt);
        if (holdMs === 0 || status === '503') socket.destroy();
        clearTimeout(patience);
        resolve();
      };
      const patience = setTimeout(() => settle('held'), holdMs || HANGS_MS);
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
        if (text.includes('\r\n\r\n')) settle(text.slice(9, 12));
      });
      socket.once('close', () => settle('none'));
      socket.write(head);
    });
  const all: Promise<void>[] = [];
  await new Promise<void>((resolve) => {
    const pace = every(1, () => {
      const due = ((performance.now() - startedAt) / 1_000) * perSecond;
      for (; begun < Math.min(due, n); begun++) all.push(one());
      if (begun < n) return;
      clearInterval(pace);
      resolve();
    });
  });
  await Promise.all(all);
  return { statuses, refusedMs };
}

async function obey(order: Order): Promise<unknown> {
  switch (order.do) {
    case 'serve':
      return serve();
    case 'steady':
      return steady(order);
    case 'windows': {
      const report = { windows, errors };
      windows = [];
      errors = 0;
      return report;
    }
    case 'slow':
      keepUp ??= keepDribbling();
      for (let i = 0; i < order.n; i++) {
        slow(order.kind, order.port, order.head);
        if (i % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 5));
      }
      return open.size;
    case 'lived': {
      const report = lives;
      lives = [];
      return report;
    }
    case 'burst':
      return burst(order.port, order.n, order.perSecond, order.head, order.holdMs);
    case 'stop':
      return stop();
  }
}

process.on('message', (order: Order) => void obey(order).then((answer) => process.send!({ answer })));
// The parent went away, whatever became of it.
process.on('disconnect', () => process.exit());
process.send!({ ready: true });
