/**
 * One upstream connection serves one identity (S2): thousands of random requests over 50 sessions of
 * three workspaces, with keep-alive on both sides, sticky keys and none, plain and
 * through tunnels, while credentials change, sessions come and go, and keys are revoked. The upstream binds
 * each of its connections to the first credential that it sees there, and counts every other; none that
 * it sees is older than its request, and a revoked key opens nothing.
 * The 100,000 of S2 are for the whole size; CI runs 20,000 of them.
 */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type ApiKeyId,
  OPEN_POLICY,
  type PoolId,
  type ProviderId,
  type SessionId,
  type SessionState,
  type WorkspaceId,
} from '../../src/core/model.ts';
import { full, whole } from '../helpers/full.ts';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import { inLanes } from '../helpers/scripted-upstream.ts';
import { RawClient, type Recorded, type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

const REQUESTS = whole ? 100_000 : full ? 20_000 : 3_000;
const SESSIONS = 50;
const WORKSPACES = 3;
/** Clients, each with a connection that it keeps as long as it is let. */
const LANES = 24;
/** One request in so many comes with a change to a session, seen by all that follow. */
const CHANGE_EVERY = 20;
/** And one in so many with another key for a workspace. */
const KEY_CHANGE_EVERY = 500;

/** What the upstream knows of one of its connections. */
interface Binding {
  readonly id: number;
  /** The first credential that came there. */
  readonly credential: string;
  requests: number;
}

let rig: GatewayRig;
let upstream: RecordingUpstream;
const bindings = new WeakMap<Recorded, Binding>();
/** Requests that came with another credential than their connection's first. */
const alarms: string[] = [];
let connections = 0;
let reused = 0;
/** How often each session's credential was changed. */
const versions = new Array<number>(SESSIONS).fill(0);

const idOf = <Id extends string>(kind: number, n: number): Id =>
  `018f8c30-${kind.toString(16).padStart(4, '0')}-7000-8000-${n.toString(16).padStart(12, '0')}` as Id;
const workspaceOf = (n: number): number => n % WORKSPACES;
/** How often each workspace's key was changed. */
const keyVersions = new Array<number>(WORKSPACES).fill(0);
const keyOf = (workspace: number, version = keyVersions[workspace]!): string =>
  `sp_live_${'abc'[workspace]!.repeat(40)}${version.toString(16).padStart(8, '0')}`;
const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex');
/** A fifth of the sessions: their plain requests go through a tunnel of the embedded exit. */
const isLocal = (n: number): boolean => n % 5 === 4;

function random(below: number): number {
  return Math.floor(Math.random() * below);
}

/** Session n as it is now. */
function sessionState(n: number, enabled = true): SessionState {
  const local = isLocal(n);
  return {
    id: idOf<SessionId>(1, n),
    poolId: idOf<PoolId>(2, workspaceOf(n)),
    providerId: idOf<ProviderId>(local ? 4 : 3, workspaceOf(n)),
    token: `token-${n}`,
    endpoint: local ? null : { scheme: 'http', host: '127.0.0.1', port: upstream.port },
    localAddress: local && versions[n]! % 2 === 1 ? '127.0.0.1' : null,
    username: local ? null : `user-${n}`,
    password: local ? null : `pass-${n}-${versions[n]}`,
    tlsInsecure: false,
    labels: null,
    enabled,
  };
}

function putWorkspace(workspace: number): void {
  const workspaceId = idOf<WorkspaceId>(0, workspace);
  const provider = {
    workspaceId,
    enabled: true,
    endpoint: null,
    name: null,
    usernameTemplate: null,
    passwordTemplate: null,
    password: null,
    tokenFormat: null,
    mintTokens: false,
    parameters: [],
  };
  putKey(workspace);
  rig.gateway.apply([
    {
      kind: 'pool-put',
      pool: { id: idOf<PoolId>(2, workspace), workspaceId, name: 'default', enabled: true, policy: OPEN_POLICY },
    },
    { kind: 'provider-put', provider: { ...provider, id: idOf<ProviderId>(3, workspace), type: 'static' } },
    { kind: 'provider-put', provider: { ...provider, id: idOf<ProviderId>(4, workspace), type: 'local' } },
  ]);
}

/** The workspace's key as it is now. */
function putKey(workspace: number): void {
  const id = idOf<ApiKeyId>(5 + keyVersions[workspace]!, workspace);
  const key = { id, workspaceId: idOf<WorkspaceId>(0, workspace), hash: hashOf(keyOf(workspace)) };
  rig.gateway.apply([{ kind: 'key-put', key: { ...key, mayUseGateway: true, expiresAtMs: null } }]);
}

/** Answers every request with the number of its connection and with what it came with; a CONNECT opens an echo. */
function answer(recorded: Recorded, chunk: Buffer): void {
  const { socket, text } = recorded;
  if (text.includes('\r\n\r\nTUNNEL')) return void socket.write(chunk);
  if (!text.endsWith('\r\n\r\n')) return;
  recorded.text = '';
  const credential = /\r\nProxy-Authorization: Basic (\S+)/.exec(text)?.[1] ?? 'none';
  let binding = bindings.get(recorded);
  if (binding === undefined) {
    binding = { id: ++connections, credential, requests: 0 };
    bindings.set(recorded, binding);
  } else if (binding.credential !== credential)
    alarms.push(`connection ${binding.id}: ${binding.credential}, then ${credential}`);
  if (binding.requests++ > 0) reused++;
  // Not as it came: the gateway refuses a response that says its credential.
  const seen = Buffer.from(Buffer.from(credential, 'base64').toString('latin1').toUpperCase()).toString('hex');
  if (text.startsWith('CONNECT ')) {
    recorded.text = '\r\n\r\nTUNNEL';
    socket.write(`HTTP/1.1 200 OK\r\n\r\nX-Connection: ${binding.id}\r\nX-Seen: ${seen}\r\n\r\n`);
  } else
    socket.write(`HTTP/1.1 200 OK\r\nX-Connection: ${binding.id}\r\nX-Seen: ${seen}\r\nContent-Length: 2\r\n\r\nok`);
}

beforeAll(async () => {
  rig = await startGatewayRig({ limits: { maxIdlePerSession: 4 } });
  upstream = await startRecordingUpstream(answer);
  for (let workspace = 0; workspace < WORKSPACES; workspace++) putWorkspace(workspace);
  for (let n = 0; n < SESSIONS; n++) rig.gateway.apply([{ kind: 'session-put', session: sessionState(n) }]);
});
afterAll(async () => {
  await rig.close();
  await upstream.close();
});

/** Changes a random session: its credential mostly, or it is disabled or deleted and comes back. */
function change(): void {
  const n = random(SESSIONS);
  versions[n]!++;
  const changes = [{ kind: 'session-put', session: sessionState(n) } as const];
  const off = { kind: 'session-put', session: sessionState(n, false) } as const;
  const gone = {
    kind: 'session-gone',
    poolId: idOf<PoolId>(2, workspaceOf(n)),
    sessionId: idOf<SessionId>(1, n),
  } as const;
  const way = random(6);
  rig.gateway.apply(way === 0 ? [off, ...changes] : way === 1 ? [gone, ...changes] : changes);
}

/** A random workspace gets another key, and its key until now is revoked. */
function changeKey(): void {
  const workspace = random(WORKSPACES);
  const hash = hashOf(keyOf(workspace));
  keyVersions[workspace]!++;
  putKey(workspace);
  rig.gateway.apply([{ kind: 'key-gone', hash }]);
}

/** A selector: of a token, of a sticky key, or of nothing. */
function selectorFor(workspace: number): string {
  const way = random(3);
  if (way === 0) return 'default';
  if (way === 1) return `default-session-key${random(200)}`;
  const n = random(SESSIONS);
  return workspaceOf(n) === workspace ? `default-session-token-${n}` : 'default';
}

/** Which session answered by each connection of the upstream. */
const servedBy = new Map<string, string>();

/** Requests with a key that was revoked before they were sent. */
let refused = 0;

async function askRevoked(workspace: number): Promise<void> {
  const pair = Buffer.from(`default:${keyOf(workspace, random(keyVersions[workspace]!))}`).toString('base64');
  const client = await RawClient.connect(rig.port);
  client.send(`GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nProxy-Authorization: Basic ${pair}\r\n\r\n`);
  // After twenty of them it looks like guessing.
  expect(await client.until((c) => c.text.includes('\r\n\r\n'))).toMatch(
    /^HTTP\/1\.1 (407 auth_failed|429 limit_reached)\r\n/,
  );
  client.close();
  refused++;
}

/** One request, checked: who answered, with which credential, over which connection. */
async function ask(client: RawClient, connect: boolean): Promise<'kept' | 'over'> {
  const workspace = random(WORKSPACES);
  if (keyVersions[workspace]! > 0 && random(20) === 0) await askRevoked(workspace);
  const keyVersion = keyVersions[workspace];
  try {
    return await askNow(client, connect, workspace);
  } catch (error) {
    // With its key a tunnel is cut, and a request that was not read yet is refused.
    if (keyVersions[workspace] !== keyVersion) return 'over';
    throw error;
  }
}

async function askNow(client: RawClient, connect: boolean, workspace: number): Promise<'kept' | 'over'> {
  const pair = Buffer.from(`${selectorFor(workspace)}:${keyOf(workspace)}`).toString('base64');
  const target = `127.0.0.1:${upstream.port}`;
  const line = connect ? `CONNECT ${target}` : `GET http://${target}/`;
  const before = [...versions];
  client.text = '';
  client.send(`${line} HTTP/1.1\r\nHost: ${target}\r\nProxy-Authorization: Basic ${pair}\r\n\r\n`);
  let text = await client.until((c) => (connect ? /\r\n\r\n/ : /\r\n\r\nok$/).test(c.text));
  const session = Number.parseInt(/Sallyport-Session: \S+-(\S+)\r\n/.exec(text)![1]!, 16);
  // A tunnel through a LOCAL session ends at the upstream as its target, which is not asked anything.
  if (connect && !isLocal(session)) text = await client.until((c) => /X-Seen: \S+\r\n\r\n$/.test(c.text));
  expect(workspaceOf(session), text).toBe(workspace);
  const connection = /X-Connection: (\d+)/.exec(text)?.[1];
  if (connection !== undefined) {
    const identity = `${session} of ${workspace}`;
    expect(servedBy.get(connection) ?? identity, text).toBe(identity);
    servedBy.set(connection, identity);
    const seen = Buffer.from(/X-Seen: ([0-9a-f]*)/.exec(text)![1]!, 'hex').toString('latin1');
    if (!isLocal(session)) expectCurrent(seen, session, before[session]!);
  }
  return connect ? 'over' : 'kept';
}

/** The credential of that very session, and none older than when it was asked. */
function expectCurrent(seen: string, session: number, atLeast: number): void {
  const [, n, version] = /^USER-\d+:PASS-(\d+)-(\d+)$/.exec(seen)!;
  expect(Number(n)).toBe(session);
  expect(Number(version)).toBeGreaterThanOrEqual(atLeast);
  expect(Number(version)).toBeLessThanOrEqual(versions[session]!);
}

test(`${REQUESTS} requests, none over another's connection`, { timeout: 900_000 }, async () => {
  let done = 0;
  await inLanes(Array.from({ length: LANES }), LANES, async () => {
    let client: RawClient | null = null;
    while (done < REQUESTS) {
      if (++done % CHANGE_EVERY === 0) change();
      if (done % KEY_CHANGE_EVERY === 0) changeKey();
      const connect = random(10) === 0;
      client ??= await RawClient.connect(rig.port);
      if ((await ask(client, connect)) === 'over' || random(50) === 0) {
        client.close();
        client = null;
      }
    }
    client?.close();
  });
  expect(alarms).toEqual([]);
  expect(refused).toBeGreaterThan(REQUESTS / 100);
  // It did share: most requests came over a connection that another had used, of the same identity.
  expect(reused).toBeGreaterThan(REQUESTS / 4);
  expect(servedBy.size).toBeGreaterThan(SESSIONS);
});
