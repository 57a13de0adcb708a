/**
 * The API as the console speaks it: both services over one transport with one key. What every call
 * comes to is told once, here: answered, refused for the key, or not answered at all.
 */
import { type Client, Code, ConnectError, createClient, type Interceptor } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-web';
import { Accounts } from '../../control/gen/accounts/v1/accounts_pb.ts';
import { Proxies } from '../../control/gen/proxies/v1/proxies_pb.ts';

export interface Link {
  readonly accounts: Client<typeof Accounts>;
  readonly proxies: Client<typeof Proxies>;
}

/** `lost`: nobody answered. `refused`: the key is not, or no longer, accepted. */
export type Outcome = 'answered' | 'lost' | 'refused';

const TIMEOUT_MS = 30_000;

export function openLink(baseUrl: string, apiKey: string, told: (outcome: Outcome) => void): Link {
  const authorize: Interceptor = (next) => async (request) => {
    request.header.set('authorization', `Bearer ${apiKey}`);
    try {
      const response = await next(request);
      told('answered');
      return response;
    } catch (error) {
      const outcome = outcomeOf(error);
      if (outcome !== null) told(outcome);
      throw error;
    }
  };
  const options = { baseUrl, interceptors: [authorize], useBinaryFormat: true };
  const unary = createConnectTransport({ ...options, defaultTimeoutMs: TIMEOUT_MS });
  const streaming = createConnectTransport(options);
  // A tail lasts until its reader leaves: the bound of a call is none of a stream.
  const transport = { unary: unary.unary.bind(unary), stream: streaming.stream.bind(streaming) };
  return { accounts: createClient(Accounts, transport), proxies: createClient(Proxies, transport) };
}

/** null: the caller changed its mind. */
export function outcomeOf(error: unknown): Outcome | null {
  if (isAborted(error)) return null;
  if (isLost(error)) return 'lost';
  return error instanceof ConnectError && error.code === Code.Unauthenticated ? 'refused' : 'answered';
}

function isAborted(error: unknown): boolean {
  return error instanceof ConnectError ? error.code === Code.Canceled : (error as Error).name === 'AbortError';
}

/** `fetch` fails with a TypeError where there is no answer; Connect wraps it. */
function isLost(error: unknown): boolean {
  if (!(error instanceof ConnectError)) return error instanceof TypeError;
  return error.cause instanceof TypeError || error.code === Code.DeadlineExceeded || error.code === Code.Unavailable;
}

/** What went wrong, in a sentence for people. */
export function messageOf(error: unknown): string {
  if (isLost(error)) return 'The server does not answer.';
  const text = error instanceof ConnectError ? error.rawMessage : (error as Error).message;
  return text === '' ? 'It failed, and the server does not say why.' : `${text[0]!.toUpperCase()}${text.slice(1)}`;
}
