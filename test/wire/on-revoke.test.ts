/**
 * What becomes of a tunnel that is open when its session or its key is revoked: as its pool's
 * `onRevoke` says. Nothing new goes by what was revoked, whatever the pool says.
 */
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { OnRevokeName } from '../../src/core/model.ts';
import { type GatewayRig, KEY, startGatewayRig } from '../helpers/gateway-rig.ts';
import { echoTunnel, eventually, RawClient, type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

const GRACE_MS = 700;

let rig: GatewayRig;
let upstream: RecordingUpstream;
const clients: RawClient[] = [];
beforeEach(async () => {
  rig = await startGatewayRig({ revokeGraceMs: GRACE_MS });
  upstream = await startRecordingUpstream(echoTunnel);
  rig.put(1, upstream.port);
});
afterEach(async () => {
  for (const { socket } of clients.splice(0)) socket.destroy();
  await rig.close();
  await upstream.close();
});

/** An open tunnel through session 1. */
async function tunnel(): Promise<RawClient> {
  const client = await RawClient.connect(rig.port);
  clients.push(client);
  await client.send(rig.head('CONNECT a.test:443')).until(({ text }) => text.includes('\r\n\r\n'));
  return client;
}

/** Whether the tunnel still carries octets both ways. */
async function carries(client: RawClient, word: string): Promise<boolean> {
  client.send(word);
  await eventually('an echo, or the end', () => client.text.includes(word) || client.socket.destroyed);
  return client.text.includes(word);
}

const REVOCATIONS: readonly [string, () => void][] = [
  ['another password', () => rig.put(1, upstream.port, { password: 'other' })],
  ['a disabled session', () => rig.put(1, upstream.port, { enabled: false })],
  ['a deleted session', () => rig.remove(1)],
  ['a deleted key', () => rig.gateway.apply([{ kind: 'key-gone', hash: createHash('sha256').update(KEY).digest('hex') }])],
]; // biome-ignore format: one table

describe.each(REVOCATIONS)('%s', (_, revoke) => {
  test('CUT: the tunnel ends at once', async () => {
    const client = await tunnel();
    const at = performance.now();
    revoke();
    await eventually('the tunnel has ended', () => client.socket.destroyed);
    expect(performance.now() - at).toBeLessThan(1_000);
    expect(rig.counted('revoked')).toBe(1);
  });

  test('DRAIN: the tunnel goes on for its grace, and ends', async () => {
    rig.putPool({ onRevoke: 'drain' });
    const client = await tunnel();
    const at = performance.now();
    revoke();
    expect(await carries(client, 'still here')).toBe(true);
    await eventually('the tunnel has ended', () => client.socket.destroyed);
    expect(performance.now() - at).toBeGreaterThanOrEqual(GRACE_MS);
    expect(rig.counted('revoked')).toBe(1);
  });

  test('KEEP: the tunnel goes on, and ends as its client wants', async () => {
    rig.putPool({ onRevoke: 'keep' });
    const client = await tunnel();
    revoke();
    const at = performance.now();
    await eventually('its grace is over', () => performance.now() - at > GRACE_MS + 500);
    expect(await carries(client, 'still here')).toBe(true);
    client.socket.end();
    await eventually('nothing is held', () => rig.gateway.holdings().tunnels === 0);
    expect(rig.counted('revoked')).toBe(0);
  });
});

test.each<OnRevokeName>(['cut', 'drain', 'keep'])(
  '%s: what is opened afterwards has the new credential',
  async (onRevoke) => {
    rig.putPool({ onRevoke });
    await tunnel();
    rig.put(1, upstream.port, { password: 'other' });
    const before = upstream.connections.length;
    await tunnel();
    const [late] = upstream.connections.slice(before);
    expect(late!.text).toContain(Buffer.from('user-1:other').toString('base64'));
  },
);
