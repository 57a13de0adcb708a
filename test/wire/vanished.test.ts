/**
 * A party that is gone while nobody reads from it: the gateway has stopped, as the
 * other side takes no more, and must notice all the same, within a second or so,
 * and not at a deadline of minutes. An end alone is no going: it may follow a whole message.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { describe, expect, type TestContext, test } from 'vitest';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import { makeCertificate } from '../helpers/target.ts';
import { eventually, RawClient, turns } from '../helpers/wire.ts';

/** STALL_LOOK_MS, two ticks of the wheel, and what a busy machine adds. */
const SOON_MS = 2_500;
/** More than what the kernels of two connections hold, which is some tens of MiB where they are let. */
const BODY = Buffer.alloc(96 << 20, 'x');

/** A gateway, its upstream and a client, for one test: all of them run at once, as most of their time is waiting. */
class Scene {
  readonly rig: GatewayRig;
  readonly client: RawClient;
  readonly #accepted: Socket[];

  private constructor(rig: GatewayRig, client: RawClient, accepted: Socket[]) {
    this.rig = rig;
    this.client = client;
    this.#accepted = accepted;
  }

  static async open(finished: TestContext['onTestFinished']): Promise<Scene> {
    const rig = await startGatewayRig();
    const accepted: Socket[] = [];
    const upstream = createServer({ allowHalfOpen: true }, (socket) => {
      accepted.push(socket.on('error', () => undefined));
    });
    upstream.listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    rig.put(1, (upstream.address() as AddressInfo).port);
    const client = await RawClient.connect(rig.port);
    finished(async () => {
      client.close();
      await rig.close();
      for (const socket of accepted) socket.destroy();
      upstream.close();
    });
    return new Scene(rig, client, accepted);
  }

  /** The upstream's side of the one connection to it. */
  async theirs(): Promise<Socket> {
    await eventually('the upstream is dialled', () => this.#accepted.length === 1);
    return this.#accepted[0]!;
  }

  async openTunnel(): Promise<Socket> {
    this.client.send(this.rig.head('CONNECT a.test:443'));
    const socket = await this.theirs();
    await headOf(socket);
    await this.agree(socket);
    return socket;
  }

  async agree(socket: Socket): Promise<void> {
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    await this.client.until((c) => c.text.endsWith('\r\n\r\n'));
  }

  async noticed(cause: string): Promise<void> {
    const { rig } = this;
    await eventually('it is noticed', () => rig.gateway.holdings().inFlight === 0, SOON_MS);
    expect(rig.counted(cause)).toBe(1);
    expect(rig.gateway.holdings()).toMatchObject({ clientConnections: 0, tunnels: 0, placed: 0 });
  }
}

/** Reads one head, and no more from then on. */
async function headOf(socket: Socket): Promise<void> {
  await once(socket, 'data');
  socket.pause();
}

/** Nothing more is taken of what this socket writes. */
async function stalled(socket: Socket): Promise<void> {
  let before = -1;
  for (let still = 0; still < 5; still++) {
    if (socket.bytesWritten - socket.writableLength !== before) still = 0;
    before = socket.bytesWritten - socket.writableLength;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(socket.writableLength).toBeGreaterThan(0);
}

describe.concurrent('a client that resets', () => {
  test('while its body stands still: its upstream sees a reset, and no whole request', async ({ onTestFinished }) => {
    const scene = await Scene.open(onTestFinished);
    const { client } = scene;
    client.send(scene.rig.head('POST http://a.test/', [`Content-Length: ${BODY.length}`])).send(BODY);
    const socket = await scene.theirs();
    await headOf(socket);
    await stalled(client.socket);
    client.socket.resetAndDestroy();
    await scene.noticed('client_gone');
    const failed = once(socket.resume(), 'error');
    expect(await failed).toMatchObject([{ code: 'ECONNRESET' }]);
  });

  test('while it waits for an answer, with more of its requests behind', async ({ onTestFinished }) => {
    const scene = await Scene.open(onTestFinished);
    const { client } = scene;
    client.send(scene.rig.head('GET http://a.test/'));
    await headOf(await scene.theirs());
    client.send(scene.rig.head('GET http://a.test/'));
    await turns(20);
    client.socket.resetAndDestroy();
    await scene.noticed('client_gone');
  });

  test('while its tunnel is not open yet, with more early octets than are held', async ({ onTestFinished }) => {
    const scene = await Scene.open(onTestFinished);
    const { client } = scene;
    client.send(scene.rig.head('CONNECT a.test:443')).send(BODY);
    await headOf(await scene.theirs());
    await stalled(client.socket);
    client.socket.resetAndDestroy();
    await scene.noticed('client_gone');
  });
});

describe.concurrent('in a tunnel', () => {
  test('a client that resets while the target takes nothing', async ({ onTestFinished }) => {
    const scene = await Scene.open(onTestFinished);
    const { client } = scene;
    await scene.openTunnel();
    client.send(BODY);
    await stalled(client.socket);
    client.socket.resetAndDestroy();
    await scene.noticed('client_gone');
  });

  test('a target that resets while the client takes nothing', async ({ onTestFinished }) => {
    const scene = await Scene.open(onTestFinished);
    const { client } = scene;
    const socket = await scene.openTunnel();
    client.socket.pause();
    socket.write(BODY);
    await stalled(socket);
    socket.resetAndDestroy();
    await scene.noticed('upstream_reset');
    const failed = once(client.socket.resume(), 'error');
    expect(await failed).toMatchObject([{ code: 'ECONNRESET' }]);
  });

  test('a target behind TLS that resets while the client takes nothing', async ({ onTestFinished }) => {
    const scene = await Scene.open(onTestFinished);
    const { client } = scene;
    const server = createTlsServer(await makeCertificate());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    scene.rig.put(1, port, { endpoint: { scheme: 'https', host: 'localhost', port }, tlsInsecure: true });
    let carrier: Socket | null = null;
    server.once('connection', (socket: Socket) => {
      carrier = socket;
    });
    client.send(scene.rig.head('CONNECT a.test:443'));
    const [socket] = (await once(server, 'secureConnection')) as [TLSSocket];
    socket.on('error', () => undefined);
    await headOf(socket);
    await scene.agree(socket);
    client.socket.pause();
    socket.write(BODY);
    await stalled(socket);
    carrier!.resetAndDestroy();
    await scene.noticed('upstream_reset');
    socket.destroy();
    server.close();
  });

  test('an end behind octets that wait is no going: all of it arrives, and the end then', async ({
    onTestFinished,
  }) => {
    const scene = await Scene.open(onTestFinished);
    const { client } = scene;
    const socket = await scene.openTunnel();
    client.send(BODY).socket.end();
    await stalled(client.socket);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(scene.rig.gateway.holdings().tunnels).toBe(1);
    let arrived = 0;
    socket.on('data', (chunk) => {
      arrived += chunk.length;
    });
    const ended = once(socket, 'end');
    socket.resume();
    await ended;
    expect(arrived).toBe(BODY.length);
    socket.end('bye');
    await client.until((c) => c.text.endsWith('bye'));
  });
});
