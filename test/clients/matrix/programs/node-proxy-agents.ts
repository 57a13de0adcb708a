/** `http.request` and `https.request` with http-proxy-agent and https-proxy-agent, and the `ws` package over them. */
import { createReadStream, statSync } from 'node:fs';
import { request as plain } from 'node:http';
import { request as secure } from 'node:https';
import { HttpProxyAgent } from 'http-proxy-agent';
import { HttpsProxyAgent } from 'https-proxy-agent';
import { WebSocket } from 'ws';
import { type Answer, body, bodyFile, echo, headers, method, pieces, proxy, read, scenario, tell } from './cell.ts';

const forHttp = new HttpProxyAgent(proxy, { keepAlive: true });
const forHttps = new HttpsProxyAgent(proxy, { keepAlive: true });

function ask(url: string): Promise<Answer> {
  const isSecure = /^(?:https|wss):/.test(url);
  const agent = isSecure ? forHttps : forHttp;
  if (scenario === 'websocket') return echo(new WebSocket(url, { agent }));
  return new Promise((resolve, reject) => {
    const fields = { ...headers, ...lengthFields() };
    const asked = (isSecure ? secure : plain)(url, { agent, method, headers: fields });
    asked.once('error', reject);
    asked.once('response', (answer) =>
      resolve(read(answer.statusCode ?? 0, answer.headers['content-length'] ?? null, answer)),
    );
    if (scenario === 'upload') createReadStream(bodyFile).pipe(asked);
    else if (scenario === 'post-chunked') pieces().pipe(asked);
    else if (scenario === 'expect-continue') {
      asked.once('continue', () => asked.end(body));
      asked.flushHeaders();
    } else asked.end(method === 'POST' ? body : undefined);
  });
}

function lengthFields(): Record<string, number> {
  if (scenario === 'upload') return { 'Content-Length': statSync(bodyFile).size };
  return method === 'POST' && scenario !== 'post-chunked' ? { 'Content-Length': body.length } : {};
}

await tell(ask);
