/** undici: `request` and `fetch` with a ProxyAgent, and its WebSocket. */
import { createReadStream, statSync } from 'node:fs';
import { type Dispatcher, fetch, ProxyAgent, request, WebSocket } from 'undici';
import { type Answer, body, bodyFile, echo, headers, method, pieces, proxy, read, scenario, tell } from './cell.ts';

const dispatcher = new ProxyAgent(proxy);

function content(): Dispatcher.DispatchOptions['body'] {
  if (scenario === 'upload') return createReadStream(bodyFile);
  return scenario === 'post-chunked' ? pieces() : method === 'POST' ? body : null;
}

async function ask(url: string): Promise<Answer> {
  if (scenario === 'websocket') return echo(new WebSocket(url, { dispatcher }));
  if (scenario === 'redirect') {
    const response = await fetch(url, { dispatcher });
    return { status: response.status, body: await response.text() };
  }
  const fields = scenario === 'upload' ? { 'Content-Length': String(statSync(bodyFile).size) } : headers;
  const answer = await request(url, { dispatcher, method, headers: fields, body: content() ?? null });
  return read(answer.statusCode, answer.headers['content-length'] as string, answer.body);
}

await tell(ask);
