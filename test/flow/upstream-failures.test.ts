/**
 * Failures in great number leave nothing behind (R11): upstreams that refuse, reset, end, talk
 * garbage or are cut at any stage, and clients that go at any stage; for plain
 * requests and CONNECT, at http, https and LOCAL sessions. Each ends as it should, none ends
 * the process, and its descriptors, its holdings and its heap are what they were.
 * The 100,000 of R11 are for the whole size, and so is its resident memory; CI runs 20,000 of them.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Cause } from '../../src/core/cause.ts';
import { full, whole } from '../helpers/full.ts';
import type { Figures } from '../helpers/gateway.process.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { KEY, LOCAL } from '../helpers/gateway-rig.ts';
import { descriptorsOf, mib } from '../helpers/process-figures.ts';
import { inLanes } from '../helpers/scripted-upstream.ts';
import { makeCertificate } from '../helpers/target.ts';
import { eventually } from '../helpers/wire.ts';

const FAILURES = whole ? 100_000 : full ? 20_000 : 1_500;
/** So many come first, and are measured against. */
const WARM_UP = whole ? 20_000 : full ? 10_000 : 750;
const LANES = 16;
/** Of every deadline: long enough for a busy machine, short enough to be waited for until the last one is forgotten. */
const PATIENCE_MS = full ? 10_000 : 2_000;

const HTTP = 1;
const HTTPS = 2;
const LOCAL_EXIT = 3;
const REFUSES = 4;
/** Below those that the system gives away, as one that was free a moment ago may be another's in the next. */
const PORT_OF_NOBODY = 1;
const RESETS_AT_ONCE = 5;

/** What the upstream (of LOCAL: the target) does when a head is there that names it. */
const ACTS = {
  silent: () => undefined,
  resets: (socket) => cut(socket),
  ends: (socket) => void socket.end(),
  garbage: (socket) => void socket.write('\x16\x03\x01 no HTTP\r\n\r\n'),
  halfhead: (socket) => void socket.write('HTTP/1.1 200 OK\r\nA: ', () => cut(socket)),
  halfbody: (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf', () => cut(socket)),
  short: (socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'),
  badchunk: (socket) => void socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nx\r\n'),
  stops: (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'),
  denies: (socket) => void socket.write('HTTP/1.1 403 x\r\nContent-Length: 0\r\n\r\n'),
  opens: (socket) => void socket.write('HTTP/1.1 200 OK\r\n\r\nhello'),
  opensandcuts: (socket) => void socket.write('HTTP/1.1 200 OK\r\n\r\nhello', () => cut(socket)),
} satisfies Record<string, (socket: Socket) => void>;

type Act = keyof typeof ACTS;

/** How the client's side of one failure goes, and what is counted of it. */
interface Failure {
  readonly session: number;
  readonly method: 'GET' | 'POST' | 'CONNECT';
  readonly act: Act;
  /** When the client goes: by itself never; else as soon as this has come, '' for as soon as the head is sent. */
  readonly leavesAt?: string;
  readonly cause: Cause;
}

const FAILURES_BY_KIND: readonly Failure[] = [
  ...[HTTP, HTTPS, LOCAL_EXIT].flatMap((session): Failure[] => [
    { session, method: 'GET', act: 'resets', cause: 'upstream_reset' },
    { session, method: 'GET', act: 'ends', cause: 'upstream_reset' },
    { session, method: 'GET', act: 'garbage', cause: 'upstream_protocol' },
    { session, method: 'GET', act: 'halfhead', cause: 'upstream_reset' },
    { session, method: 'GET', act: 'halfbody', cause: 'response_truncated' },
    { session, method: 'GET', act: 'short', cause: 'response_truncated' },
    { session, method: 'GET', act: 'badchunk', cause: 'response_truncated' },
    { session, method: 'GET', act: 'silent', leavesAt: '', cause: 'client_gone' },
    { session, method: 'GET', act: 'stops', leavesAt: 'half', cause: 'client_gone' },
    { session, method: 'POST', act: 'silent', leavesAt: '', cause: 'client_gone' },
    { session, method: 'POST', act: 'resets', cause: 'upstream_reset' },
  ]),
  ...[HTTP, HTTPS].flatMap((session): Failure[] => [
    { session, method: 'CONNECT', act: 'resets', cause: 'upstream_reset' },
    { session, method: 'CONNECT', act: 'ends', cause: 'upstream_reset' },
    { session, method: 'CONNECT', act: 'garbage', cause: 'upstream_protocol' },
    { session, method: 'CONNECT', act: 'halfhead', cause: 'upstream_reset' },
    { session, method: 'CONNECT', act: 'denies', cause: 'upstream_denied_target' },
    { session, method: 'CONNECT', act: 'opensandcuts', cause: 'upstream_reset' },
    { session, method: 'CONNECT', act: 'silent', leavesAt: '', cause: 'client_gone' },
    { session, method: 'CONNECT', act: 'opens', leavesAt: 'hello', cause: 'client_gone' },
  ]),
  ...[REFUSES, RESETS_AT_ONCE].flatMap((session): Failure[] =>
    (['GET', 'CONNECT'] as const).map((method) => ({
      session,
      method,
      act: 'silent',
      cause: session === REFUSES ? 'upstream_refused' : 'upstream_reset',
    })),
  ),
];

let gateway: GatewayProcess;
let plain: Server;
let secure: Server;
let resetting: Server;
const accepted = new Set<Socket>();

/** The TCP sockets of the upstream's TLS connections, by the port of the other side. */
const carriers = new Map<number, Socket>();

function cut(socket: Socket): void {
  const carrier = 'encrypted' in socket ? carriers.get(socket.remotePort ?? 0) : socket;
  carrier?.resetAndDestroy();
}

function carry(socket: Socket): void {
  const port = socket.remotePort!;
  carriers.set(port, socket);
  socket.on('error', () => undefined).on('close', () => carriers.delete(port));
}

function serve(socket: Socket): void {
  accepted.add(socket);
  let text = '';
  socket.on('error', () => undefined).on('close', () => accepted.delete(socket));
  socket.on('end', () => socket.end());
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    const act = /^(?:[A-Z]+ (?:http:\/\/[^/]+)?\/|CONNECT )([a-z]+)[\s\S]*?\r\n\r\n/.exec(text)?.[1];
    if (act === undefined) return;
    text = '';
    ACTS[act as Act](socket);
  });
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

beforeAll(async () => {
  gateway = await GatewayProcess.start({
    headTimeoutMs: PATIENCE_MS,
    bodyIdleMs: PATIENCE_MS,
    dnsTimeoutMs: PATIENCE_MS,
    connectTimeoutMs: PATIENCE_MS,
    upstreamTlsTimeoutMs: PATIENCE_MS,
    connectReplyTimeoutMs: PATIENCE_MS,
    firstByteTimeoutMs: PATIENCE_MS,
    responseIdleMs: PATIENCE_MS,
    tunnelIdleMs: PATIENCE_MS,
    upstreamIdleMs: 500,
  });
  plain = createServer({ allowHalfOpen: true }, serve);
  secure = createTlsServer(await makeCertificate(), serve).on('connection', carry);
  resetting = createServer((socket) => socket.on('error', () => undefined).resetAndDestroy());
  await gateway.put(HTTP, await listening(plain));
  const port = await listening(secure);
  await gateway.put(HTTPS, port, { endpoint: { scheme: 'https', host: 'localhost', port }, tlsInsecure: true });
  await gateway.put(LOCAL_EXIT, 0, { providerId: LOCAL, endpoint: null, username: null, password: null });
  await gateway.put(REFUSES, PORT_OF_NOBODY);
  await gateway.put(RESETS_AT_ONCE, await listening(resetting));
});
afterAll(async () => {
  await gateway.close();
  for (const socket of accepted) socket.destroy();
  for (const server of [plain, secure, resetting]) server.close();
});

/** What the client sends for one failure. */
function requestOf({ session, method, act }: Failure): string {
  const selector = `default-session-token-${session}`;
  const credentials = Buffer.from(`${selector}:${KEY}`).toString('base64');
  const host = session === LOCAL_EXIT ? `127.0.0.1:${(plain.address() as AddressInfo).port}` : 'a.test';
  const target = method === 'CONNECT' ? `${act}.test:443` : `http://${host}/${act}`;
  const lines = [`${method} ${target} HTTP/1.1`, `Host: ${host}`, `Proxy-Authorization: Basic ${credentials}`];
  if (method === 'POST') lines.push('Content-Length: 1000');
  return `${lines.join('\r\n')}\r\nConnection: close\r\n\r\n${method === 'POST' ? 'half' : ''}`;
}

/** Lets one failure happen; resolves when the client's connection is over. */
function happen(failure: Failure): Promise<string> {
  const { leavesAt } = failure;
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(gateway.port, '127.0.0.1');
    const look = (): void => {
      if (leavesAt !== undefined && text.includes(leavesAt)) socket.resetAndDestroy();
    };
    socket.on('error', () => undefined).on('close', () => resolve(text));
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      look();
    });
    socket.write(requestOf(failure), () => {
      // Half of those that go at once do so before the gateway has dialled, half of them later.
      if (leavesAt === '') setTimeout(look, Math.random() * 4);
    });
  });
}

async function happenAll(from: number, count: number): Promise<void> {
  const failures = Array.from({ length: count }, (_, i) => FAILURES_BY_KIND[(from + i) % FAILURES_BY_KIND.length]!);
  await inLanes(failures, LANES, async (failure) => {
    const text = await happen(failure);
    const isTold = text.startsWith(`HTTP/1.1 502 ${failure.cause}\r\n`);
    const isCut = /^(?:HTTP\/1\.1 200 [\s\S]*)?$/.test(text);
    if (!isTold && !isCut) throw new Error(`${JSON.stringify(failure)} ended as ${JSON.stringify(text.slice(0, 300))}`);
  });
  await eventually('nothing is under way', () => accepted.size === 0, 10_000);
}

/** All that it holds, of whatever kind. */
function heldIn({ holdings }: Figures): number {
  const { slots, ...others } = holdings;
  return [...Object.values(slots), ...Object.values(others)].reduce((sum, held) => sum + held, 0);
}

/** Waits until the gateway holds nothing, and answers its figures then. */
async function atRest() {
  let figures = await gateway.figures();
  const deadline = performance.now() + 20_000;
  while (heldIn(figures) > 0 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    figures = await gateway.figures();
  }
  return { ...figures, descriptors: descriptorsOf(gateway.pid) };
}

test(`${FAILURES} failures`, { timeout: 900_000 }, async () => {
  await happenAll(0, WARM_UP);
  const before = await atRest();
  await happenAll(0, FAILURES);
  const after = await atRest();
  expect(gateway.isAlive).toBe(true);
  expect(gateway.complaints).toBe('');
  expect(heldIn(after), JSON.stringify(after.holdings)).toBe(0);
  expect(after.descriptors).toBe(before.descriptors);
  expect(after.heapBytes, `from ${mib(before.heapBytes)}`).toBeLessThan(before.heapBytes * 1.1);
  // What the allocator keeps varies by more than that until tens of thousands have passed.
  if (whole) expect(after.residentBytes, `from ${mib(before.residentBytes)}`).toBeLessThan(before.residentBytes * 1.1);
  const expected: Record<string, number> = {};
  for (let i = 0; i < FAILURES; i++) {
    const { cause } = FAILURES_BY_KIND[i % FAILURES_BY_KIND.length]!;
    expected[cause] = (expected[cause] ?? 0) + 1;
  }
  const counted = Object.entries(after.causes).map(([cause, n]) => [cause, n - (before.causes[cause] ?? 0)] as const);
  expect(Object.fromEntries(counted.filter(([, n]) => n > 0))).toEqual(expected);
});
