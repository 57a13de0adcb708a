/** A request of `doctor` through the gateway: whether a tunnel opens, else why not and what to do about it. */
import { request } from 'node:http';
import { ADVICE } from '../core/advice.ts';
import type { Cause } from '../core/cause.ts';

const REQUEST_MS = 35_000;

export interface TunnelAnswer {
  readonly status: number;
  readonly cause: string;
  readonly requestId: string;
}

/** What the gateway answers to a CONNECT; the code of what failed where it gives no answer. */
export function askGateway(
  { hostname, port }: URL,
  username: string,
  key: string,
  target: string,
): Promise<TunnelAnswer | string> {
  return new Promise((resolve) => {
    const authorization = `Basic ${Buffer.from(`${username}:${key}`).toString('base64')}`;
    const asked = request({
      ...{
        method: 'CONNECT',
        host: hostname.replaceAll(/^\[|\]$/g, ''),
        port: Number(port || 80),
        path: target,
        agent: false,
      },
      headers: { Host: target, 'Proxy-Authorization': authorization },
    });
    asked.setTimeout(REQUEST_MS, () => {
      resolve('ETIMEDOUT');
      asked.destroy();
    });
    asked.once('connect', ({ statusCode = 0, statusMessage = '', headers }, socket) => {
      socket.destroy();
      resolve({ status: statusCode, cause: statusMessage, requestId: String(headers['sallyport-request-id'] ?? '-') });
    });
    asked.once('error', ({ code, message }: NodeJS.ErrnoException) => resolve(code ?? message));
    asked.end();
  });
}

export function isOpened({ status }: TunnelAnswer): boolean {
  return status >= 200 && status < 300;
}

/** What to do about a cause; how to look further for what is none. */
export function adviceFor(cause: string): string {
  return ADVICE[cause as Cause] ?? '"sallyport tail" shows requests as they finish.';
}
