/** WebSockets as the `ws` package speaks them, by an upgrade through the gateway. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { type GatewayRig, LOCAL, startGatewayRig } from '../helpers/gateway-rig.ts';
import { openWebSocket, type ProxiedWebSocket } from '../helpers/websocket.ts';
import { eventually } from '../helpers/wire.ts';

let rig: GatewayRig;
let server: Server;
let sockets: ProxiedWebSocket[];

beforeEach(async () => {
  rig = await startGatewayRig();
  sockets = [];
  server = createServer();
  new WebSocketServer({ server }).on('connection', (one) => {
    one.on('message', (data, isBinary) => one.send(data, { binary: isBinary }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  rig.put(1, 0, { providerId: LOCAL, endpoint: null, username: null, password: null });
});
afterEach(async () => {
  for (const { socket } of sockets) socket.terminate();
  server.closeAllConnections();
  server.close();
  await rig.close();
});

test('echoes messages of every size class, of one octet too, and closes with its code', async () => {
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const one = await openWebSocket(rig.port, url, rig.authorization());
  sockets.push(one);
  for (const size of [0, 1, 125, 126, 65_535, 65_536, 1_000_000]) {
    const message = Buffer.alloc(size, 'm');
    expect(await one.exchange(message)).toEqual(message);
  }
  for (let i = 0; i < 100; i++) expect(await one.exchange(Buffer.of(i))).toEqual(Buffer.of(i));
  expect(await one.close(4_321)).toBe(4_321);
  await eventually('it is finished', () => rig.gateway.holdings().inFlight === 0);
});
