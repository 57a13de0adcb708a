/** Each level of the caps at its bound, what the descriptors leave of them, and what counts as one client. */
import { describe, expect, test } from 'vitest';
import { Caps, type RequestSlots } from '../../../gateway/caps.ts';
import { networkOf, networkOfPeer } from '../../../gateway/client-network.ts';
import { DESCRIPTOR_RESERVE, descriptorLimit, descriptorsInUse } from '../../../gateway/descriptors.ts';
import { defaultLimits, type GatewayLimits } from '../../../src/core/limits.ts';
import { type ApiKeyState, OPEN_POLICY, type Route } from '../../../src/core/model.ts';
import { SessionLive } from '../../../src/core/pool-index/session-live.ts';
import { KEY, WORKSPACE } from '../../helpers/gateway-rig.ts';

const NOTHING = { connections: 0, turnedAway: 0, sockets: 0, requests: 0, tunnels: 0, dials: 0, members: 0 };

function capsOf(limits: Partial<GatewayLimits>, descriptors = 20_000): Caps {
  return new Caps({ ...defaultLimits, ...limits }, descriptors);
}

function keyOf(id: string): ApiKeyState {
  return { id: id as ApiKeyState['id'], workspaceId: WORKSPACE, hash: KEY, mayUseGateway: true, expiresAtMs: null };
}

/** Takes as often as it is let, up to 100 times; answers how often, and the cause that ended it. */
function fill(take: () => string | null): [number, string | null] {
  for (let n = 0; n < 100; n++) {
    const cause = take();
    if (cause !== null) return [n, cause];
  }
  return [100, null];
}

function times(n: number, act: () => void): void {
  for (let i = 0; i < n; i++) act();
}

describe('each level is full at its bound and not before, and empty again when all is given back', () => {
  test('client connections', () => {
    const caps = capsOf({ maxClientConnections: 3 });
    let n = 0;
    expect(fill(() => caps.connect(`192.0.2.${n++}`))).toEqual([3, 'overloaded']);
    caps.disconnect('192.0.2.0');
    expect(fill(() => caps.connect('192.0.2.0'))).toEqual([1, 'overloaded']);
    for (const last of [0, 1, 2]) caps.disconnect(`192.0.2.${last}`);
    expect(caps.holdings()).toEqual(NOTHING);
  });

  test('client connections of an address', () => {
    const caps = capsOf({ maxConnectionsPerAddress: 3 });
    expect(fill(() => caps.connect('192.0.2.1'))).toEqual([3, 'overloaded']);
    expect(caps.connect('192.0.2.2')).toBeNull();
    caps.disconnect('192.0.2.2');
    times(3, () => caps.disconnect('192.0.2.1'));
    expect(caps.holdings()).toEqual(NOTHING);
  });

  test('requests of a key, and of its workspace', () => {
    const caps = capsOf({ maxConnectionsPerKey: 3, maxConnectionsPerWorkspace: 5 });
    const [one, other] = [keyOf('one'), keyOf('other')];
    const admitted = (key: ApiKeyState): RequestSlots[] => {
      const taken: RequestSlots[] = [];
      for (let slots = caps.admit(key); slots !== null; slots = caps.admit(key)) taken.push(slots);
      return taken;
    };
    const ofOne = admitted(one);
    const ofOther = admitted(other);
    expect([ofOne, ofOther]).toMatchObject([{ length: 3 }, { length: 2 }]);
    // The workspace's refusal kept nothing of the key's.
    for (const slots of ofOne) caps.release(slots);
    const more = admitted(other);
    expect(more).toHaveLength(1);
    for (const slots of [...ofOther, ...more]) caps.release(slots);
    expect(caps.holdings()).toEqual(NOTHING);
  });

  test('tunnels and dials of a session, and dials in all; 0 is no bound', () => {
    const caps = capsOf({ maxPendingDials: 6 });
    const policy = { ...OPEN_POLICY, maxTunnelsPerSession: 2, maxPendingDialsPerSession: 4 };
    const [one, other] = [
      new SessionLive({ loadChanged: () => undefined }),
      new SessionLive({ loadChanged: () => undefined }),
    ];
    expect(fill(() => caps.openTunnel(one, policy))).toEqual([2, 'limit_reached']);
    expect(fill(() => caps.openTunnel(other, OPEN_POLICY))).toEqual([100, null]);
    expect(fill(() => caps.beginDial(one, policy))).toEqual([4, 'limit_reached']);
    expect(fill(() => caps.beginDial(other, OPEN_POLICY))).toEqual([2, 'overloaded']);
    times(2, () => caps.closeTunnel(one));
    times(100, () => caps.closeTunnel(other));
    times(4, () => caps.endDial(one));
    times(2, () => caps.endDial(other));
    expect([one.tunnels, one.dials, other.tunnels, other.dials]).toEqual([0, 0, 0, 0]);
    expect(caps.holdings()).toEqual(NOTHING);
  });
});

describe('what the descriptors leave', () => {
  const http = { scheme: 'http', tunnelled: false } as Route;
  const local = { scheme: 'http', tunnelled: true } as Route;

  test.each([
    [256, 77],
    [1_024, 449],
    [65_536, 20_000],
    [Number.POSITIVE_INFINITY, 20_000],
  ])('of %d descriptors, room for %d clients with an upstream each', (descriptors, clients) => {
    const caps = capsOf({}, descriptors);
    expect(caps.maxConnections).toBe(clients);
    for (let n = 0; n < clients; n++) {
      expect(caps.connect(`10.0.${n >> 8}.${n & 255}`)).toBeNull();
      expect(caps.hasSockets(http)).toBe(true);
      caps.openSockets(http);
    }
    expect(caps.holdings().sockets).toBeLessThanOrEqual(descriptors - DESCRIPTOR_RESERVE);
  });

  test('a connection through the embedded exit takes three, and whoever is turned away one', () => {
    const caps = capsOf({}, DESCRIPTOR_RESERVE + 64);
    let opened = 0;
    for (; caps.hasSockets(local); opened++) caps.openSockets(local);
    expect(opened).toBe(21);
    expect([caps.hasSockets(http), caps.turnAway(), caps.turnAway()]).toEqual([true, true, false]);
    caps.turnedAway();
    times(opened, () => caps.closeSockets(local));
    expect([caps.turnAway(), caps.turnAway(), caps.turnAway()]).toEqual([true, true, false]);
  });

  test.runIf(process.platform === 'linux')('the system tells both numbers', () => {
    expect(descriptorLimit()).toBeGreaterThan(64);
    expect(descriptorsInUse()).toBeGreaterThan(3);
    expect(descriptorsInUse()).toBeLessThan(descriptorLimit());
  });
});

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::ffff:c000:201', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '20010db800010002'],
  ['2001:db8:1:2::ffff', '20010db800010002'],
  ['2001:db8:1:3::1', '20010db800010003'],
  ['::1', '0000000000000000'],
  ['fe80::1%eth0', 'fe80000000000000'],
  ['', ''],
])('%s counts as %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
  expect(networkOfPeer(`${address}:50000`)).toBe(network);
});
