/** axios over agents, with its own proxy support off: that cannot reach an https target by its address. */
import { createReadStream, statSync } from 'node:fs';
import axios from 'axios';
import { HttpProxyAgent } from 'http-proxy-agent';
import { HttpsProxyAgent } from 'https-proxy-agent';
import { type Answer, body, bodyFile, headers, method, pieces, proxy, read, scenario, tell } from './cell.ts';

const httpAgent = new HttpProxyAgent(proxy, { keepAlive: true });
const httpsAgent = new HttpsProxyAgent(proxy, { keepAlive: true });
const client = axios.create({ httpAgent, httpsAgent, proxy: false, validateStatus: () => true });

async function ask(url: string): Promise<Answer> {
  const data =
    scenario === 'upload'
      ? createReadStream(bodyFile)
      : scenario === 'post-chunked'
        ? pieces()
        : method === 'POST'
          ? body
          : undefined;
  const fields = scenario === 'upload' ? { 'Content-Length': statSync(bodyFile).size } : headers;
  const answer = await client.request({
    url,
    method,
    headers: fields,
    data,
    responseType: 'stream',
    maxBodyLength: Number.POSITIVE_INFINITY,
    // A body that is a stream cannot be sent again, so that it is not kept for a redirect.
    ...(scenario === 'upload' ? { maxRedirects: 0 } : {}),
  });
  return read(answer.status, (answer.headers['content-length'] as string) ?? null, answer.data);
}

await tell(ask);
