/** A WebSocket of the `ws` package through the gateway, by an upgrade of an absolute-form request. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { WebSocket } from 'ws';

export interface ProxiedWebSocket {
  readonly socket: WebSocket;
  /** Sends a message; answers the next one that comes. */
  exchange(message: Buffer): Promise<Buffer>;
  /** Closes it; answers the code that came back. */
  close(code: number): Promise<number>;
}

/** Opens `url` (ws://…) through the gateway on this port of loopback. */
export async function openWebSocket(
  gatewayPort: number,
  url: string,
  authorization: string,
): Promise<ProxiedWebSocket> {
  const socket = new WebSocket(url, {
    createConnection: () => connect(gatewayPort, '127.0.0.1'),
    finishRequest: (request) => {
      request.path = url.replace(/^ws:/, 'http:');
      request.setHeader('Proxy-Authorization', authorization);
      request.end();
    },
  });
  await once(socket, 'open');
  return {
    socket,
    async exchange(message) {
      const answer = once(socket, 'message') as Promise<[Buffer]>;
      socket.send(message);
      return (await answer)[0];
    },
    async close(code) {
      const closed = once(socket, 'close') as Promise<[number]>;
      socket.close(code);
      return (await closed)[0];
    },
  };
}
