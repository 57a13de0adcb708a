/**
 * For tests of failover: the ways in which a client asks, an upstream that serves each
 * of them, and a record of what the health of sessions is told.
 */
import type { HealthFeed } from '../../gateway/health-feed.ts';
import { CAUSES } from '../../src/core/cause.ts';
import type { Route } from '../../src/core/model.ts';
import type { FinishedRequest } from '../../src/core/observed.ts';
import { type GatewayRig, KEY, WORKSPACE } from './gateway-rig.ts';
import { ACCEPTED, GRANTED, greeting, METHOD, reply, request, usernamePassword } from './socks-client.ts';
import { type Behaviour, eventually, RawClient } from './wire.ts';

/** How a client asks for `a.test`; each POST has the body `BODY`. */
export const ASKS = ['CONNECT', 'SOCKS', 'GET', 'POST', 'upgrade'] as const;
export type Ask = (typeof ASKS)[number];
export const BODY = 'a body';

const UPGRADE = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: x', 'Sec-WebSocket-Version: 13'];
const NEGOTIATED = METHOD.password + ACCEPTED;

/** What a client with this username sends, all at once but for SOCKS. */
export function headOf(rig: GatewayRig, ask: Exclude<Ask, 'SOCKS'>, username?: string): string {
  switch (ask) {
    case 'CONNECT':
      return rig.head('CONNECT a.test:443', [], username);
    case 'GET':
      return rig.head('GET http://a.test/', [], username);
    case 'POST':
      return rig.head('POST http://a.test/', [`Content-Length: ${BODY.length}`], username) + BODY;
    case 'upgrade':
      return rig.head('GET http://a.test/', UPGRADE, username);
  }
}

/** Connects and asks. */
export async function askFor(rig: GatewayRig, ask: Ask, username = 'default'): Promise<RawClient> {
  const client = await RawClient.connect(rig.port);
  if (ask !== 'SOCKS') return client.send(headOf(rig, ask, username));
  await client.send(greeting(2) + usernamePassword(username, KEY)).until((c) => c.text.length >= NEGOTIATED.length);
  return client.send(request('a.test', 443));
}

/** Waits for an answer; tells how often each came: `200`, `101`, a cause, or the code of a SOCKS reply. */
export async function answersOf(client: RawClient, ask: Ask): Promise<string[]> {
  if (ask === 'SOCKS') {
    await client.until((c) => c.text.length >= NEGOTIATED.length + GRANTED.length);
    const text = client.text.slice(NEGOTIATED.length);
    const pieces = Array.from({ length: Math.ceil(text.length / GRANTED.length) }, (_, i) =>
      text.slice(i * GRANTED.length, (i + 1) * GRANTED.length),
    );
    return pieces.map((one) => (one === reply(one.charCodeAt(1)) ? `reply ${one.charCodeAt(1)}` : one));
  }
  await client.until((c) => c.text.includes('\r\n\r\n'));
  return [...client.text.matchAll(/HTTP\/1\.1 (\d+) (\w*)/g)].map(([, status, reason]) =>
    Number(status) < 400 ? status! : reason!,
  );
}

export const SERVED: Readonly<Record<Ask, string>> = {
  ...{ CONNECT: '200', SOCKS: 'reply 0', GET: '200', POST: '200', upgrade: '101' },
};

/** Serves whatever is asked, once it is whole; a tunnel, and what was switched, echoes. */
export const serving: Behaviour = ({ socket, text }, chunk) => {
  const head = text.indexOf('\r\n\r\n') + 4;
  if (head < 4) return;
  const isFirst = text.length - chunk.length < head;
  if (text.startsWith('CONNECT ')) socket.write(isFirst ? 'HTTP/1.1 200 OK\r\n\r\n' : chunk);
  else if (text.includes('Upgrade: websocket'))
    socket.write(isFirst ? 'HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n' : chunk);
  else if (text.endsWith(BODY) || text.endsWith('\r\n\r\n'))
    socket.write(
      text.startsWith('POST ') && !text.endsWith(BODY) ? '' : 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    );
};

/** Answers a request with these octets when its head is there. */
export const answersHead =
  (octets: string): Behaviour =>
  ({ socket, text }) => {
    if (text.includes('\r\n\r\n')) socket.write(octets);
  };

/** What is told of health, as `failed 1 upstream_reset`: the number is the session's; in brackets whom it harms, if that is not the catalogue's. */
export function recordedHealth(): HealthFeed & { readonly told: string[] } {
  const told: string[] = [];
  const tell = (what: string, { sessionId }: Route, targetHost: string, cause = ''): void => {
    const where = targetHost === 'a.test' ? '' : ` at ${targetHost}`;
    told.push(`${what} ${Number.parseInt(sessionId.slice(-12), 16)}${where} ${cause}`.trimEnd());
  };
  return {
    told,
    succeeded: (route, targetHost) => tell('succeeded', route, targetHost),
    failed: (route, targetHost, cause, _, harms) =>
      tell('failed', route, targetHost, harms === CAUSES[cause].harms ? cause : `${cause} (${harms})`),
    abandoned: (route, targetHost) => tell('abandoned', route, targetHost),
  };
}

/** The records of all requests, once so many have finished. */
export async function recordsOf(rig: GatewayRig, count: number): Promise<readonly FinishedRequest[]> {
  const filter = { workspaceId: WORKSPACE, poolId: null, sessionId: null, accountName: null, cause: null };
  const list = () => rig.gateway.listRequests({ filter, afterSequence: 0, limit: 1_000 }).records;
  await eventually(`${count} records`, () => list().length >= count);
  return list();
}

/** Attempts as `1 upstream_reset`, or `2 ok`: the number is the session's. */
export function attemptsOf({ attempts }: FinishedRequest): string[] {
  return attempts.map(({ sessionId, cause }) => `${Number.parseInt(sessionId.slice(-12), 16)} ${cause ?? 'ok'}`);
}

const NO_SLOTS = { connections: 0, turnedAway: 0, sockets: 0, requests: 0, tunnels: 0, dials: 0, members: 0 };

/** Waits until a gateway without clients and kept connections holds nothing. */
export async function holdsNothing(rig: GatewayRig): Promise<void> {
  const isEmpty = (): boolean => {
    const { clientConnections, inFlight, placed, tunnels, slots } = rig.gateway.holdings();
    const sums = clientConnections + inFlight + placed + tunnels;
    return sums === 0 && JSON.stringify(slots) === JSON.stringify(NO_SLOTS);
  };
  try {
    await eventually('nothing is held', isEmpty);
  } catch {
    throw new Error(`still held: ${JSON.stringify(rig.gateway.holdings())}`);
  }
}
