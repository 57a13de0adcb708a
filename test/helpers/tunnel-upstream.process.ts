/**
 * The child of `tunnel-upstream.ts`: an upstream proxy in a process of its own,
 * whose targets behave by their names. It is the target at the same time.
 *
 *   echo.test   sends back what comes, ends when the client ends
 *   flood.test  sends as fast as the socket takes it, for ever
 *   sink.test   takes the request and then reads nothing more
 *   slow.test   answers a plain request when it is told to ('answer')
 *   work.test   answers every plain request of a connection after some milliseconds
 */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import process from 'node:process';

const CHUNK = Buffer.alloc(65_536, 'x');
const sockets = new Set<Socket>();
const unanswered: Socket[] = [];
let flooded = 0;
let worked = 0;

function flood(socket: Socket): void {
  while (!socket.destroyed && socket.write(CHUNK, () => (flooded += CHUNK.length)));
}

/** Answers one request, in two pieces, so that a cut in between would show. */
function work(socket: Socket): void {
  worked++;
  setTimeout(() => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf');
    setTimeout(() => socket.write('done'), 1 + (worked % 7));
  }, worked % 23);
}

function behave(socket: Socket, head: string): void {
  const connect = head.startsWith('CONNECT');
  const open = connect ? 'HTTP/1.1 200 OK\r\n\r\n' : 'HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n';
  const [, name] = /^\w+ (?:http:\/\/)?(\w+)\.test/.exec(head) ?? [];
  switch (name) {
    case 'echo':
      socket.write(open);
      socket.on('data', (chunk: Buffer) => socket.write(chunk));
      break;
    case 'flood':
      socket.write(open);
      socket.on('drain', () => flood(socket));
      flood(socket);
      socket.resume();
      break;
    case 'sink':
      if (connect) socket.write(open);
      socket.pause();
      break;
    case 'slow':
      unanswered.push(socket);
      break;
    case 'work':
      work(socket);
      socket.on('data', (chunk: Buffer) => {
        if (chunk.includes('\r\n\r\n')) work(socket);
      });
      break;
    default:
      socket.destroy();
  }
}

const server = createServer({ allowHalfOpen: true }, (socket) => {
  sockets.add(socket);
  socket.on('error', () => undefined); // the gateway may cut
  socket.once('close', () => sockets.delete(socket));
  socket.on('end', () => socket.end());
  let head = '';
  const onData = (chunk: Buffer): void => {
    head += chunk.toString('latin1');
    if (!head.includes('\r\n\r\n')) return;
    socket.off('data', onData);
    behave(socket, head);
  };
  socket.on('data', onData);
});

process.on('message', (message) => {
  if (message === 'answer') {
    for (const socket of unanswered.splice(0)) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate');
  }
  if (message === 'drop') for (const socket of sockets) socket.destroy();
  process.send!({ connections: sockets.size, waiting: unanswered.length, flooded });
});
// The parent went away, whatever became of it.
process.on('disconnect', () => process.exit());
server.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 }, () =>
  process.send!({ port: (server.address() as AddressInfo).port }),
);
