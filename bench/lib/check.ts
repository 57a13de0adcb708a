/**
 * Checks a candidate's answers before anything is timed: right bytes both ways,
 * through forwards and tunnels, credentials really rotated, wrong passwords
 * really refused, nothing past the upstream. Throws with what was wrong.
 */

import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Candidate, type Running, runsRow } from './candidates.ts';
import { ClientConnection, forwardRequest, postRequest, type Reply, tunnelledRequest } from './client.ts';
import { basic } from './credentials.ts';
import { PATTERN, patternOf, SMALL_BODY, TARGET_HOST } from './payload.ts';
import type { UpstreamStats } from './upstream.ts';

const LISTEN_TIMEOUT_MS = 10_000;
const CHECKED_BYTES = 1_000_003;
const CHECKED_REQUESTS = 64;

/** The upstream's counts so far. */
export async function upstreamStats(port: number): Promise<UpstreamStats> {
  const client = new ClientConnection(port);
  const { body } = await client.exchange('GET /__stats HTTP/1.1\r\n\r\n');
  client.destroy();
  return JSON.parse(body.toString()) as UpstreamStats;
}

/** Waits until the candidate takes connections, then checks all that the rows will rely on. */
export async function checkCandidate(candidate: Candidate, running: Running, upstreamPort: number): Promise<void> {
  await awaitListening(running.port);
  const fail = (what: string): never => {
    throw new Error(`${candidate.name}: ${what}`);
  };
  const before = await upstreamStats(upstreamPort);
  await checkForwards(running, fail);
  if (runsRow(candidate, 'post-64k')) await checkPost(running, false, fail);
  if (runsRow(candidate, 'post-64k-chunked')) await checkPost(running, true, fail);
  await checkTunnels(running, fail);
  if (candidate.authenticates) await checkRefusal(running, fail);
  const after = await upstreamStats(upstreamPort);
  if (after.direct !== before.direct) fail('went around the upstream');
  const used = Object.keys(after.byCredential).filter(
    (name) => after.byCredential[name] !== before.byCredential[name],
  ).length;
  if (used < candidate.credentials) fail(`used ${used} of ${candidate.credentials} upstream credentials`);
}

type Fail = (what: string) => never;

async function awaitListening(port: number): Promise<void> {
  for (const deadline = Date.now() + LISTEN_TIMEOUT_MS; ; await sleep(20)) {
    const client = new ClientConnection(port);
    const open = await new Promise((resolve) => {
      client.socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    client.destroy();
    if (open) return;
    if (Date.now() > deadline) throw new Error(`nothing listens on port ${port}`);
  }
}

/** Each on a connection of its own, so that a relay which injects nothing rotates too. */
async function checkForwards({ port, authorizations }: Running, fail: Fail): Promise<void> {
  for (let i = 0; i < CHECKED_REQUESTS; i++) {
    const authorization = authorizations[i % authorizations.length]!;
    const client = new ClientConnection(port);
    expectSmall(await client.exchange(forwardRequest(`/small?i=${i}`, authorization)), 'forward', fail);
    client.destroy();
  }
  const client = new ClientConnection(port);
  const path = `/bytes/${CHECKED_BYTES}`;
  expectPattern(await client.exchange(forwardRequest(path, authorizations[0]!)), 'forward', fail);
  client.destroy();
}

async function checkTunnels({ port, authorizations }: Running, fail: Fail): Promise<void> {
  const client = new ClientConnection(port);
  const status = await client.openTunnel(authorizations[0]!);
  if (status !== 200) fail(`CONNECT answered ${status}`);
  expectSmall(await client.exchange(tunnelledRequest('/small')), 'tunnel', fail);
  expectPattern(await client.exchange(tunnelledRequest(`/bytes/${CHECKED_BYTES}`)), 'tunnel', fail);
  const head = `POST /digest HTTP/1.1\r\nHost: ${TARGET_HOST}\r\nContent-Length: ${PATTERN.length}\r\n\r\n`;
  expectDigest(await client.exchange(Buffer.concat([Buffer.from(head), PATTERN])), PATTERN, 'upload', fail);
  client.destroy();
}

async function checkPost({ port, authorizations }: Running, chunked: boolean, fail: Fail): Promise<void> {
  const client = new ClientConnection(port);
  const body = patternOf(CHECKED_BYTES);
  const reply = await client.exchange(postRequest('/digest', authorizations[0]!, body, chunked));
  expectDigest(reply, body, chunked ? 'a POST in chunks' : 'a POST', fail);
  client.destroy();
}

async function checkRefusal({ port }: Running, fail: Fail): Promise<void> {
  const client = new ClientConnection(port);
  const { status } = await client.exchange(forwardRequest('/', basic({ username: 'bench', password: 'wrong' })));
  client.destroy();
  if (status !== 407 && status !== 401) fail(`a wrong password was answered ${status}`);
}

function expectSmall({ status, body }: Reply, what: string, fail: Fail): void {
  if (status !== 200 || body.toString() !== SMALL_BODY) fail(`${what} answered ${status} ${body.subarray(0, 80)}`);
}

function expectDigest({ status, body }: Reply, sent: Buffer, what: string, fail: Fail): void {
  const digest = createHash('sha256').update(sent).digest('hex');
  if (status !== 200 || body.toString() !== digest) fail(`${what} answered ${status} ${body.subarray(0, 80)}`);
}

function expectPattern({ status, body }: Reply, what: string, fail: Fail): void {
  if (status !== 200 || body.length !== CHECKED_BYTES)
    fail(`${what} of bytes answered ${status}, ${body.length} bytes`);
  for (let at = 0; at < body.length; at += PATTERN.length) {
    const piece = body.subarray(at, at + PATTERN.length);
    if (!piece.equals(PATTERN.subarray(0, piece.length))) fail(`${what}: bytes changed on the way, after ${at}`);
  }
}
