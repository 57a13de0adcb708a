/** got, over Node's own agents, which know proxies themselves. */
import { once } from 'node:events';
import { createReadStream, statSync } from 'node:fs';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import got from 'got';
import { type Answer, body, bodyFile, headers, method, pieces, proxy, read, scenario, tell } from './cell.ts';

const options = { keepAlive: true, proxyEnv: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } };
const http = new HttpAgent(options);
const https = new HttpsAgent(options);

async function ask(url: string): Promise<Answer> {
  const fields = scenario === 'upload' ? { 'Content-Length': String(statSync(bodyFile).size) } : headers;
  const asked = { agent: { http, https }, retry: { limit: 0 }, throwHttpErrors: false, headers: fields } as const;
  if (method === 'POST') {
    const content = scenario === 'upload' ? createReadStream(bodyFile) : scenario === 'post-chunked' ? pieces() : body;
    const answer = await got.post(url, { ...asked, body: content });
    return { status: answer.statusCode, body: answer.body };
  }
  if (scenario === 'download' || scenario === 'abort') {
    const stream = got.stream(url, { ...asked, decompress: false });
    const [response] = (await once(stream, 'response')) as [{ statusCode: number }];
    return read(response.statusCode, null, stream);
  }
  const answer = await got(url, { ...asked, method });
  const length = answer.headers['content-length'];
  return { status: answer.statusCode, body: answer.body, length: length === undefined ? null : Number(length) };
}

await tell(ask);
