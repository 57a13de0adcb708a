/**
 * A request as Connect takes it, from either of Node's servers. Ours in place of
 * connect-node's, which aborts each call's signal once more when its answer is out:
 * nobody listens by then, and the error that this makes costs more than the rest here.
 * Called by `rpc-mount.ts`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Code, ConnectError, type ContextValues } from '@connectrpc/connect';
import type { UniversalServerRequest } from '@connectrpc/connect/protocol';

const GONE = new ConnectError('the client is gone', Code.Canceled);

/** The request to `path`, whose signal is aborted when its client goes away before the answer is out. */
export function connectRequest(
  path: string,
  raw: IncomingMessage,
  response: ServerResponse,
  { body, values }: { readonly body: UniversalServerRequest['body']; readonly values: ContextValues },
): UniversalServerRequest {
  const gone = new AbortController();
  // The request's own end says nothing: it comes when the body has been read.
  response.once('close', () => response.writableEnded || gone.abort(GONE));
  // What breaks it closes the response too; without a listener it would be thrown.
  raw.once('error', () => {});
  return {
    httpVersion: raw.httpVersion,
    method: raw.method ?? '',
    // Connect looks for parameters in it, which no method here takes; the host was checked by the guards.
    url: `http://localhost${path}`,
    header: headersOf(raw),
    body,
    signal: gone.signal,
    contextValues: values,
  };
}

function headersOf({ headers }: IncomingMessage): Headers {
  const found = new Headers();
  for (const name in headers) {
    const value = headers[name];
    // Without the pseudo-fields of HTTP/2; only cookies, which nobody asks for here, come as lists.
    if (typeof value === 'string' && !name.startsWith(':')) found.append(name, value);
  }
  return found;
}
