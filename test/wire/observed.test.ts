/**
 * What the gateway tells of its work, asked beside real traffic: the record of each
 * request, how sessions fare, and explanations that come true.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FinishedRequest, RequestFilter } from '../../src/core/observed.ts';
import {
  type GatewayRig,
  POOL,
  poolState,
  STATIC,
  sessionId,
  startGatewayRig,
  WORKSPACE,
} from '../helpers/gateway-rig.ts';
import { heapInUse } from '../helpers/heap.ts';
import { reportOf } from '../helpers/usage-report.ts';
import {
  answering, echoTunnel, eventually, RawClient, type RecordingUpstream, startRecordingUpstream,
} from '../helpers/wire.ts'; // biome-ignore format: one list

let rig: GatewayRig;
let upstream: RecordingUpstream;
let client: RawClient;

beforeEach(async () => {
  rig = await startGatewayRig();
  upstream = await startRecordingUpstream();
  rig.put(1, upstream.port);
  client = await RawClient.connect(rig.port);
});
afterEach(async () => {
  client.close();
  await rig.close();
  await upstream.close();
});

const EVERYTHING: RequestFilter = {
  workspaceId: WORKSPACE,
  poolId: null,
  sessionId: null,
  accountName: null,
  cause: null,
};

/** All records so far, once `count` requests have finished. */
async function records(count: number): Promise<readonly FinishedRequest[]> {
  const list = () => rig.gateway.listRequests({ filter: EVERYTHING, afterSequence: 0, limit: 100 }).records;
  await eventually(`${count} records`, () => list().length >= count);
  expect(list().map(({ sequence }) => sequence)).toEqual(Array.from({ length: count }, (_, i) => i + 1));
  return list();
}

describe('records', () => {
  test('a forwarded request: everything but its path and its credential', async () => {
    const before = Date.now();
    await client.send(rig.head('GET http://a.test:8080/secret-path?q')).until((c) => c.text.endsWith('ok'));
    const [record] = await records(1);
    const id = /Sallyport-Request-Id: (\S+)/.exec(client.text)?.[1];
    expect(record).toEqual({
      sequence: 1,
      requestId: id,
      workspaceId: WORKSPACE,
      startedAtMs: expect.any(Number),
      clientAddress: `127.0.0.1:${client.socket.localPort}`,
      keyId: '018f8c20-0000-7000-8000-00000000000a',
      identifiedBy: 'credentials',
      poolId: POOL,
      sessionId: sessionId(1),
      accountName: null,
      moved: null,
      targetHost: 'a.test',
      targetPort: 8_080,
      kind: 'forward',
      status: 200,
      stage: 'relay',
      cause: null,
      attempts: [{ sessionId: sessionId(1), cause: null, ms: expect.any(Number) }],
      resolveMs: expect.any(Number),
      dialMs: expect.any(Number),
      firstByteMs: expect.any(Number),
      durationMs: expect.any(Number),
      bytesOut: upstream.received().length,
      bytesIn: client.text.length,
    });
    const { startedAtMs, attempts, dialMs, firstByteMs, durationMs } = record!;
    expect(startedAtMs).toBeGreaterThanOrEqual(before - 1);
    expect(startedAtMs).toBeLessThanOrEqual(Date.now());
    expect(dialMs).toBeGreaterThan(0);
    expect(firstByteMs).toBeGreaterThan(dialMs!);
    expect(durationMs).toBeGreaterThan(firstByteMs!);
    expect(attempts[0]!.ms).toBeGreaterThan(dialMs!);
    expect(attempts[0]!.ms).toBeLessThan(durationMs);
    expect(JSON.stringify(record)).not.toMatch(/secret-path|user-1|pass-1|sp_live|Basic/);
    expect(rig.gateway.findRequest(id!)).toEqual(record);
    expect(rig.gateway.findRequest(`${id}0`)).toBeNull();
  });

  test('a request on a kept connection has no dial, and a tunnel has one', async () => {
    await client.send(rig.head('GET http://a.test/')).until((c) => c.text.endsWith('ok'));
    client.text = '';
    await client.send(rig.head('GET http://a.test/')).until((c) => c.text.endsWith('ok'));
    upstream.behave(echoTunnel);
    client.text = '';
    await client.send(rig.head('CONNECT a.test:443')).until((c) => c.text.endsWith('\r\n\r\n'));
    client.socket.end();
    const [, kept, tunnel] = await records(3);
    expect(kept).toMatchObject({ dialMs: null, attempts: [{ cause: null, ms: expect.any(Number) }] });
    expect(tunnel).toMatchObject({ kind: 'connect', targetPort: 443, status: 200, stage: 'relay', cause: null });
    expect(tunnel!.dialMs).toBeGreaterThan(0);
  });

  test('failures: how far they came, and no attempt where none was made', async () => {
    const ask = async (head: string, end: string) => {
      client.text = '';
      await client.send(head).until((c) => c.text.endsWith(end));
      if (!client.ended) return;
      client.close();
      client = await RawClient.connect(rig.port);
    };
    await ask('GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n', 'required.\n');
    await ask(rig.head('GET http://a.test/', [], 'nosuchpool'), 'name.\n');
    client.close();
    client = await RawClient.connect(rig.port);
    upstream.behave(answering('HTTP/1.1 407 no\r\n\r\n'));
    await ask(rig.head('GET http://a.test/'), 'session.\n');
    await upstream.close();
    await ask(rig.head('GET http://a.test/'), 'connection.\n');
    const [unknown, refused, gone] = await records(3);
    expect(unknown).toMatchObject({
      stage: 'select', cause: 'pool_unknown', status: 403, poolId: null, sessionId: null, attempts: [], dialMs: null, firstByteMs: null,
    });
    expect(refused).toMatchObject({
      stage: 'relay', cause: 'upstream_auth_failed', status: 502, attempts: [{ sessionId: sessionId(1), cause: 'upstream_auth_failed' }],
    });
    expect(gone).toMatchObject({ stage: 'dial', cause: 'upstream_refused', attempts: [{ cause: 'upstream_refused' }], firstByteMs: null });
    expect(gone!.dialMs).toBeGreaterThan(0);
    expect(gone!.dialMs).toBeLessThan(gone!.durationMs);
  }); // biome-ignore format: one expectation a line

  test('keep nothing of the heads they came from', { timeout: 20_000 }, async () => {
    rig.remove(1);
    const count = 1_500;
    const fill = async (): Promise<void> => {
      for (let i = 0; i < count; i++) {
        client.text = '';
        const host = i % 2 === 0 ? `a-name-of-its-own-${i}.example.test` : `110.100.${i % 200}.100`;
        await client.send(rig.head(`GET http://${host}/`, [`X: ${'x'.repeat(15_000)}`]).replace('a.test', host)).until((c) => c.text.endsWith('serve.\n'));
      }
    };
    const before = heapInUse();
    await fill();
    const each = (heapInUse() - before) / count;
    // A record takes about 600 bytes; a head that is kept would take 15,000 more.
    expect(each).toBeLessThan(5_000);
    expect((await rig.gateway.listRequests({ filter: EVERYTHING, afterSequence: 0, limit: 1 })).records).toHaveLength(1);
  }); // biome-ignore format: one call a line
});

describe('session states', () => {
  const state = (n: number) => rig.gateway.sessionStates({ poolId: POOL, sessionIds: [sessionId(n)] })[0];

  test('tell what is under way, what it moved as last reported, how dials went, and the last cause', async () => {
    rig.put(2, 1);
    upstream.behave(echoTunnel);
    const asked = { poolId: POOL, sessionIds: [sessionId(2), sessionId(9), sessionId(1)] };
    expect(rig.gateway.sessionStates(asked)).toEqual(
      [2, 1].map((n) => ({
        sessionId: sessionId(n), health: 'healthy', inflight: 0, lastCause: null, ejectedUntilMs: null, latencyMs: null, bytesOut: 0, bytesIn: 0,
      })),
    );
    await client.send(rig.head('CONNECT a.test:443', [], 'default-session-token-1')).until((c) => c.text.endsWith('\r\n\r\n'));
    await client.send('ping').until((c) => c.text.endsWith('ping'));
    expect(state(1)).toMatchObject({ inflight: 1, bytesOut: 0, bytesIn: 0 });
    await reportOf(rig.gateway);
    expect(state(1)).toMatchObject({ inflight: 1, bytesOut: upstream.received().length, bytesIn: client.text.length });
    expect(state(1)!.latencyMs).toBeGreaterThan(0);
    rig.put(1, upstream.port, { password: 'another' });
    await eventually('the tunnel is gone', () => state(1)!.inflight === 0);
    expect(state(1)).toMatchObject({ lastCause: 'revoked', bytesOut: upstream.received().length, bytesIn: client.text.length });
    expect(rig.gateway.sessionStates({ poolId: STATIC as never, sessionIds: [sessionId(1)] })).toEqual([]);
    const other = await RawClient.connect(rig.port);
    await other.send(rig.head('GET http://a.test/', [], 'default-session-token-2')).until((c) => c.text.endsWith('\n'));
    expect(state(2)).toMatchObject({ lastCause: 'upstream_refused', latencyMs: null, inflight: 0 });
    other.close();
  }); // biome-ignore format: one call a line
});

describe('explanations', () => {
  /** What really happens to such a request: the session it got, or the cause it was refused with. */
  async function really(username: string, authority: string) {
    const made = await RawClient.connect(rig.port);
    await made.send(rig.head(`CONNECT ${authority}`, [], username)).until((c) => c.text.includes('\r\n\r\n'));
    made.close();
    const cause = /details="(\w+)"/.exec(made.text)?.[1] ?? null;
    return { cause, sessionId: cause === null ? /Sallyport-Session: (\S+)/.exec(made.text)?.[1] : null };
  }

  const explain = (username: string, targetHost = 'a.test', targetPort = 443) =>
    rig.gateway.explain({ workspaceId: WORKSPACE, username, targetHost, targetPort });

  test('come true, whatever is asked for', async () => {
    upstream.behave(echoTunnel);
    for (const n of [2, 3, 4]) rig.put(n, upstream.port, { enabled: n !== 4 });
    const seen: (string | null)[] = [];
    for (const username of ['default', '', 'default', 'default-session-token-2', 'default-session-token-4', 'default-session-k1', 'default-session-k1', 'other', 'default-session-']) {
      const told = explain(username);
      expect(explain(username)).toEqual(told);
      expect(await really(username, 'a.test:443')).toEqual({ cause: told.cause, sessionId: told.sessionId });
      seen.push(told.reason);
    }
    expect(seen).toEqual(['round_robin', 'round_robin', 'round_robin', 'token', 'consistent', 'consistent', 'sticky', 'pool_unknown', 'selector_invalid:session']);
    expect(explain('default')).toMatchObject({ poolId: POOL, eligibleCount: 3, exclusions: [{ reason: 'session_disabled', count: 1 }] });
    expect(explain('other')).toEqual({
      poolId: null, sessionId: null, cause: 'pool_unknown', reason: 'pool_unknown', runnerUpId: null, eligibleCount: 0, exclusions: [],
    });
  }); // biome-ignore format: one call a line

  test('name the runner-up, and it is who serves once the first is gone', async () => {
    upstream.behave(echoTunnel);
    for (const n of [2, 3]) rig.put(n, upstream.port);
    for (const username of ['default', 'default-session-token-3', 'default-session-k1']) {
      const { sessionId: first, runnerUpId } = explain(username);
      const n = [1, 2, 3].find((each) => sessionId(each) === first)!;
      rig.put(n, upstream.port, { enabled: false });
      expect((await really(username, 'a.test:443')).sessionId).toBe(runnerUpId);
      rig.put(n, upstream.port);
    }
    rig.remove(2);
    rig.remove(3);
    expect(explain('default')).toMatchObject({ sessionId: sessionId(1), runnerUpId: null });
  });

  test('refuse what admission refuses', async () => {
    const own = `127.0.0.1:${rig.port}`;
    expect(explain('default', '127.1', rig.port)).toMatchObject({ cause: 'loop_detected', eligibleCount: 1 });
    expect(await really('default', own)).toEqual({ cause: 'loop_detected', sessionId: null });
    rig.put(1, rig.port);
    expect(explain('default').cause).toBe('loop_detected');
    expect((await really('default', 'a.test:443')).cause).toBe('loop_detected');
    rig.put(1, 0, { endpoint: { scheme: 'socks5', host: '127.0.0.1', port: rig.port } });
    expect(explain('default')).toMatchObject({ cause: 'loop_detected', sessionId: null });
    expect((await really('default', 'a.test:443')).cause).toBe('loop_detected');
    rig.remove(1);
    expect(explain('default')).toMatchObject({ poolId: POOL, cause: 'pool_empty', reason: 'pool_empty', eligibleCount: 0, exclusions: [] });
    expect((await really('default', 'a.test:443')).cause).toBe('pool_empty');
    rig.gateway.apply([{ kind: 'pool-put', pool: poolState({ enabled: false }) }]);
    expect(explain('default').cause).toBe('pool_disabled');
    expect((await really('default', 'a.test:443')).cause).toBe('pool_disabled');
  }); // biome-ignore format: one call a line

  test('take a target as a client would write it, and an IPv6 address with or without brackets', () => {
    for (const host of ['a.test', 'A.Test.', '10.1', '::1', '[::1]']) expect(explain('default', host).cause).toBeNull();
    for (const host of ['', 'a b', 'a.test:1', 'http://a.test', '[a]', '999.1.1.1']) {
      expect(explain('default', host).cause).toBe('bad_request');
    }
    for (const port of [0, -1, 65_536, 1.5]) expect(explain('default', 'a.test', port).cause).toBe('bad_request');
  });
});
