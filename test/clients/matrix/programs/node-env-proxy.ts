/** Node's own clients, told of the proxy by the environment alone: `fetch`, `WebSocket`, and `http.request` for Expect. */
import { openAsBlob } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { Readable } from 'node:stream';
import { type Answer, body, bodyFile, echo, headers, method, pieces, read, scenario, tell } from './cell.ts';

async function content(): Promise<RequestInit['body']> {
  if (scenario === 'upload') return await openAsBlob(bodyFile);
  if (scenario === 'post-chunked') return Readable.toWeb(pieces()) as never;
  return method === 'POST' ? body : null;
}

async function ask(url: string): Promise<Answer> {
  if (scenario === 'websocket') return echo(new WebSocket(url));
  if (scenario === 'expect-continue') return expecting(url);
  const init = { method, headers, body: await content(), duplex: 'half' };
  const response = await fetch(url, init as RequestInit);
  const length = response.headers.get('content-length');
  return read(response.status, length, response.body ?? Readable.from([]));
}

/** `fetch` may not send Expect; `http.request` waits for the 100 before it sends the body. */
function expecting(url: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { method, headers: { ...headers, 'Content-Length': body.length } });
    asked.once('continue', () => asked.end(body));
    asked.once('error', reject);
    asked.once('response', (response: IncomingMessage) => resolve(read(response.statusCode ?? 0, null, response)));
    asked.flushHeaders();
  });
}

await tell(ask);
