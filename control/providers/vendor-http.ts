/**
 * GETs of JSON from one vendor's account interface, bounded in time and size. Only
 * the configured base is ever asked: redirects are not followed, and nothing of an
 * answer becomes an address.
 *
 * Invariant: rejects with a VendorError, whatever happens.
 */
import { VendorError } from './vendor-error.ts';

/** Longest answer, decoded: a page of 100 endpoints is some 50 KB. */
const MAX_ANSWER_BYTES = 2 * 1024 * 1024;
/** A longer wait than a day is no wait. */
const MAX_RETRY_AFTER_MS = 86_400_000;

export interface VendorHttp {
  /** The JSON at a path below the base (no leading slash). */
  getJson(path: string, query: Readonly<Record<string, string>>, signal: AbortSignal): Promise<unknown>;
}

export interface VendorHttpOptions {
  /** Ends with a slash. */
  readonly baseUrl: string;
  /** For one answer, its body included. */
  readonly timeoutMs: number;
  /** Aborted when the service stops. */
  readonly stopping: AbortSignal;
  /** What carries the API key: both are secrets. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
}

export function createVendorHttp(options: VendorHttpOptions): VendorHttp {
  return {
    async getJson(path, query, signal) {
      const url = new URL(path, options.baseUrl);
      for (const [name, value] of Object.entries({ ...query, ...options.query })) url.searchParams.set(name, value);
      const timeout = AbortSignal.timeout(options.timeoutMs);
      const given = AbortSignal.any([signal, options.stopping]);
      try {
        const response = await fetch(url, {
          headers: { accept: 'application/json', ...options.headers },
          redirect: 'manual',
          signal: AbortSignal.any([timeout, given]),
        });
        return JSON.parse(await readAnswer(response));
      } catch (error) {
        if (error instanceof VendorError) throw error;
        if (given.aborted) throw new VendorError('stopped');
        if (timeout.aborted) throw new VendorError('timeout');
        throw new VendorError(error instanceof SyntaxError ? 'garbled' : 'unreachable');
      }
    },
  };
}

async function readAnswer(response: Response): Promise<string> {
  if (response.status !== 200) {
    await response.body?.cancel();
    throw refusal(response);
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // Leaving the loop cancels the body.
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) throw new VendorError('oversized');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function refusal({ status, headers }: Response): VendorError {
  if (status === 401 || status === 403) return new VendorError('refused');
  if (status === 429 || status === 503) {
    return new VendorError(status === 429 ? 'limited' : 'failed', retryAfterOf(headers.get('retry-after')));
  }
  return new VendorError(status >= 500 ? 'failed' : 'garbled');
}

/** RFC 9110 §10.2.3: seconds, or a date. */
function retryAfterOf(value: string | null): number | null {
  if (value === null) return null;
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? null : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS);
}
