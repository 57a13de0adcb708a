/**
 * Pools that are probed, with little or no traffic: who fails is out before a client meets it and back
 * without one, what a probe proves is all that it acquits of, and what ends, ends its probe.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { OPEN_POLICY, type PoolId, type ProbePolicy, type ProviderState } from '../../src/core/model.ts';
import { type GatewayRig, POOL, poolState, STATIC, startGatewayRig, WORKSPACE } from '../helpers/gateway-rig.ts';
import { allProbed, handshake, probed, stateOf, TCP, url } from '../helpers/probing.ts';
import { eventually, listenToComeBack, RawClient, turns } from '../helpers/wire.ts';
import { type Blackhole, startBlackhole } from '../helpers/wire-blackhole.ts';

/** So that one of two may be out, and a time out is short. */
const ILL = { failuresToEject: 2, baseEjectionMs: 300, maxEjectionMs: 300 };
const HANDSHAKE = handshake('a.test:443');
const PLAIN = url('http://a.test/');
/** Longer than any test. */
const PATIENT = { timeoutMs: 60_000 };
/** A pool beside that of the rig, which is probed as well. */
const OTHER = '018f8c21-2222-7c8c-8ddd-000000000002' as PoolId;

/** An upstream that comes, goes, and changes its mind, always at one port. */
class Upstream {
  /** What it answers any head with; null: nothing. */
  answer: string | null = 'HTTP/1.1 200 OK\r\n\r\n';
  port = 0;
  readonly heads: string[] = [];
  readonly sockets = new Set<Socket>();
  #server: Server | null = null;

  async listen(): Promise<this> {
    const server = createServer((socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket)).on('error', () => undefined);
      socket.on('data', (chunk) => {
        this.heads.push(chunk.toString('latin1'));
        if (this.answer !== null) socket.write(this.answer);
      });
    });
    this.#server = server;
    this.port = await listenToComeBack(server, this.port || null);
    return this;
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    const closed = server === null ? null : new Promise((resolve) => server.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}

let rig: GatewayRig;
let upstreams: readonly [Upstream, Upstream];
let blackhole: Blackhole | null = null;

beforeEach(async () => {
  rig = await startGatewayRig();
  upstreams = [await new Upstream().listen(), await new Upstream().listen()];
  for (const [n, { port }] of upstreams.entries()) rig.put(n, port);
});
afterEach(async () => {
  await rig.close();
  await Promise.all(upstreams.map((upstream) => upstream.close()));
  await blackhole?.close();
  blackhole = null;
  await eventually('nothing is left', () => {
    const { probes, slots, deadlines } = rig.gateway.holdings();
    return probes + slots.dials + slots.sockets + deadlines === 0;
  });
});

const healthOf = (n: number) => stateOf(rig, n).health;

/** Opens a tunnel and closes it; the first line of the answer and the session that served, if one did. */
async function tunnel(target = 'a.test:443', username?: string): Promise<string> {
  const client = await RawClient.connect(rig.port);
  await client.send(rig.head(`CONNECT ${target}`, [], username)).until(({ text }) => text.includes('\r\n\r\n'));
  client.close();
  return client.text.slice('HTTP/1.1 '.length, client.text.indexOf('\r\n'));
}

describe.each<[string, ProbePolicy]>([
  ['handshakes', HANDSHAKE],
  ['requests', PLAIN],
])('probed by %s', (_, probe) => {
  test('an upstream that begins to refuse is out without a client, and back without one', async () => {
    rig.putPool({ ...ILL, probe });
    await eventually('both are probed', () => probed(rig, 'served') >= 4);
    await upstreams[0].close();
    await eventually('it is out', () => healthOf(0) === 'ejected');
    expect(stateOf(rig, 0).lastCause).toBe('upstream_refused');
    // Trials fail for as long as it does.
    const before = probed(rig, 'upstream_refused');
    await eventually('it is tried', () => probed(rig, 'upstream_refused') > before);
    expect(healthOf(0)).toBe('ejected');
    await upstreams[0].listen();
    await eventually('it is back', () => healthOf(0) === 'healthy');
    expect([healthOf(1), rig.gateway.snapshot().requests]).toEqual(['healthy', []]);
  });

  test('refused credentials eject the credential at once, and a client meets the other session alone', async () => {
    upstreams[0].answer = 'HTTP/1.1 407 no\r\n\r\n';
    rig.putPool({ ...ILL, failuresToEject: 9, baseEjectionMs: 600_000, maxEjectionMs: 600_000, probe });
    await eventually('it is out', () => healthOf(0) === 'ejected');
    expect([stateOf(rig, 0).lastCause, probed(rig, 'upstream_auth_failed')]).toEqual(['upstream_auth_failed', 1]);
    const heads = upstreams[0].heads.length;
    for (let i = 0; i < 4; i++) expect(await tunnel()).toBe('200 Connection established');
    // Nor is it probed before its time.
    const before = probed(rig, 'served');
    await eventually('the other is', () => probed(rig, 'served') >= before + 3);
    expect(upstreams[0].heads).toHaveLength(heads);
  });

  test('what an upstream refuses for the target of the probe counts for that target alone', async () => {
    upstreams[0].answer = 'HTTP/1.1 403 no\r\n\r\n';
    rig.putPool({ ...ILL, baseEjectionMs: 600_000, maxEjectionMs: 600_000, probe });
    await eventually('it is blocked', () => probed(rig, 'upstream_denied_target') >= 2);
    upstreams[0].answer = 'HTTP/1.1 200 OK\r\n\r\n';
    rig.putPool({ ...ILL, baseEjectionMs: 600_000, maxEjectionMs: 600_000 });
    expect([healthOf(0), healthOf(1)]).toEqual(['healthy', 'healthy']);
    upstreams[0].heads.length = 0;
    for (let i = 0; i < 4; i++) expect(await tunnel()).toBe('200 Connection established');
    expect(upstreams[0].heads).toEqual([]);
    for (let i = 0; i < 4; i++) expect(await tunnel('b.test:443')).toBe('200 Connection established');
    expect(upstreams[0].heads).toHaveLength(2);
  });
});

describe('probed by connections alone', () => {
  test('an upstream that is gone is out without a client; that it is there again is for a client to prove', async () => {
    rig.putPool({ ...ILL, probe: TCP });
    await upstreams[0].close();
    await eventually('it is out', () => healthOf(0) === 'ejected');
    await upstreams[0].listen();
    await eventually('its time is over', () => healthOf(0) === 'half_open');
    const before = probed(rig, 'served');
    await eventually('it is probed', () => probed(rig, 'served') >= before + 4);
    expect(healthOf(0)).toBe('half_open');
    await eventually('no probe is under way', () => rig.gateway.holdings().probes === 0);
    rig.putPool(ILL);
    for (let i = 0; i < 2; i++) expect(await tunnel()).toBe('200 Connection established');
    expect(healthOf(0)).toBe('healthy');
  });

  test('wrong credentials are neither found nor acquitted', async () => {
    upstreams[0].answer = 'HTTP/1.1 407 no\r\n\r\n';
    rig.putPool({ ...ILL, probe: TCP });
    await eventually('both are probed', () => probed(rig, 'served') >= 4);
    expect(healthOf(0)).toBe('healthy');
    await tunnel('a.test:443', 'default-session-token-0');
    expect(healthOf(0)).toBe('ejected');
    await eventually('its time is over', () => healthOf(0) === 'half_open');
    const before = probed(rig, 'served');
    await eventually('it is probed', () => probed(rig, 'served') >= before + 4);
    expect([healthOf(0), stateOf(rig, 0).lastCause]).toEqual(['half_open', 'upstream_auth_failed']);
  });
});

test('an idle pool that asks for no probes is never dialled, in good health or not', async () => {
  rig.putPool(ILL);
  await upstreams[0].close();
  for (let i = 0; i < 4; i++) await tunnel();
  expect(healthOf(0)).toBe('ejected');
  await upstreams[0].listen();
  for (const upstream of upstreams) upstream.heads.length = 0;
  await eventually('its time is over', () => healthOf(0) === 'half_open');
  expect([upstreams.map(({ heads, sockets }) => heads.length + sockets.size), allProbed(rig)]).toEqual([[0, 0], 0]);
});

describe('a probe that is under way', () => {
  const SLOW = handshake('a.test:443', { intervalMs: 1_000, ...PATIENT });

  beforeEach(async () => {
    for (const upstream of upstreams) upstream.answer = null;
    rig.remove(1);
    rig.putPool({ probe: SLOW });
    await eventually('it waits for its answer', () => upstreams[0].heads.length === 1);
    expect(rig.gateway.holdings()).toMatchObject({ probes: 1, slots: { dials: 1, sockets: 1 } });
  });

  const provider: ProviderState = {
    ...{ id: STATIC, workspaceId: WORKSPACE, enabled: true, endpoint: null, name: null, parameters: [] },
    ...{ usernameTemplate: null, passwordTemplate: null, password: null, tokenFormat: null, mintTokens: false },
    type: 'static',
  };

  test.each<[string, () => void, boolean]>([
    ['session is disabled', () => rig.put(0, upstreams[0].port, { enabled: false }), true],
    ['session is deleted', () => rig.remove(0), true],
    ['session gets another password', () => rig.put(0, upstreams[0].port, { password: 'another' }), false],
    ['provider is disabled', () => rig.gateway.apply([{ kind: 'provider-put', provider: { ...provider, enabled: false } }]), true],
    ['provider is deleted', () => rig.gateway.apply([{ kind: 'provider-gone', providerId: STATIC }]), true],
    ['pool is disabled', () => rig.putPool({ probe: SLOW }, { enabled: false }), true],
    ['pool is deleted', () => rig.gateway.apply([{ kind: 'pool-gone', poolId: POOL }]), true],
    ['pool asks for no probes any more', () => rig.putPool({}), true],
    ['pool asks for other probes', () => rig.putPool({ probe: { ...SLOW, intervalMs: 999 } }), false],
    ['gateway drains', () => rig.gateway.announceDrain(), true],
  ])('ends in the same turn when its %s', async (what, change, forGood) => {
    change();
    expect(rig.gateway.holdings().probes).toBe(0);
    expect([probed(rig, 'abandoned'), allProbed(rig)]).toEqual([1, 1]);
    await eventually('its socket is gone', () => rig.gateway.holdings().slots.sockets === 0);
    if (!forGood) return eventually('it is probed anew', () => upstreams[0].heads.length === 2);
    if (what === 'gateway drains') return;
    // Others are probed meanwhile, and it is not.
    const policy = { ...OPEN_POLICY, probe: HANDSHAKE };
    rig.gateway.apply([
      { kind: 'provider-put', provider },
      { kind: 'pool-put', pool: poolState({ id: OTHER, name: 'other', policy }) },
    ]);
    rig.put(7, upstreams[1].port, { poolId: OTHER });
    if (what.startsWith('provider is disabled')) rig.remove(0);
    await eventually('others are probed', () => allProbed(rig) >= 4);
    expect(upstreams[0].heads).toHaveLength(1);
  }); // biome-ignore format: one change a line

  test('goes on when its pool changes in anything else', async () => {
    rig.putPool({ probe: { ...SLOW }, quiet: true, failuresToEject: 9 }, { name: 'renamed' });
    rig.put(0, upstreams[0].port, { labels: { country: 'us' } });
    expect(rig.gateway.holdings().probes).toBe(1);
    for (const socket of upstreams[0].sockets) socket.write('HTTP/1.1 200 OK\r\n\r\n');
    await eventually('it is served', () => probed(rig, 'served') === 1);
  });

  test('ends with the gateway', async () => {
    await rig.close();
    expect([rig.gateway.holdings().probes, probed(rig, 'abandoned')]).toEqual([0, 1]);
    await turns();
    expect(upstreams[0].sockets.size).toBe(0);
  });
});

test('a session that is disabled while its probe is its trial is half-open once it is enabled', async () => {
  rig.putPool({ ...ILL, probe: HANDSHAKE });
  await upstreams[0].close();
  await eventually('it is out', () => healthOf(0) === 'ejected');
  upstreams[0].answer = null;
  upstreams[0].heads.length = 0;
  rig.putPool({ ...ILL, probe: { ...HANDSHAKE, ...PATIENT } });
  await upstreams[0].listen();
  await eventually('it is on trial', () => upstreams[0].heads.length === 1);
  rig.put(0, upstreams[0].port, { enabled: false });
  rig.putPool(ILL);
  upstreams[0].answer = 'HTTP/1.1 200 OK\r\n\r\n';
  rig.put(0, upstreams[0].port);
  expect(healthOf(0)).toBe('half_open');
  for (let i = 0; i < 2; i++) expect(await tunnel()).toBe('200 Connection established');
  expect(healthOf(0)).toBe('healthy');
});

test('upstreams that swallow every connection hold as many sockets as probes may be under way, and clients are served', async () => {
  await rig.close();
  blackhole = await startBlackhole();
  rig = await startGatewayRig({ limits: { maxProbes: 3 } });
  rig.putPool({ probe: { ...TCP, timeoutMs: 10_000 }, maxEjectedPercent: 0 });
  for (let n = 10; n < 40; n++) rig.put(n, blackhole.port);
  let most = 0;
  await eventually('the places are taken', () => rig.gateway.holdings().probes === 3);
  // Not before: its probe, which ends at once, could be the third of those three.
  rig.put(0, upstreams[0].port);
  for (let i = 0; i < 20; i++) {
    expect(await tunnel('a.test:443', 'default-session-token-0')).toBe('200 Connection established');
    const { probes, slots } = rig.gateway.holdings();
    most = Math.max(most, probes, slots.dials);
  }
  expect(most).toBe(3);
  await eventually('clients are gone', () => rig.gateway.holdings().slots.sockets === 3);
});
