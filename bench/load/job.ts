/**
 * What the bench asks of the load process, and what it answers: one JSON line
 * each way. Every answer's figures are over exactly its window, warm-up excluded.
 */

import type { Window } from '../lib/process-meter.ts';

/** Whom to load, and whose CPU to read meanwhile. */
export interface Subject {
  readonly port: number;
  readonly authorizations: readonly string[];
  /** The gateway; null when there is none. */
  readonly pid: number | null;
  readonly upstreamPid: number;
}

export interface Timing {
  readonly warmSeconds: number;
  readonly seconds: number;
}

/** Each of so many connections sends its next request when its last answer is complete. */
export interface ClosedLoop extends Timing {
  readonly subject: Subject;
  readonly connections: number;
}

export type Job = ({ readonly subject: Subject } & Work) | { readonly kind: 'end-steady' };

type Work =
  | ({ readonly kind: 'forward'; readonly connections: number } & Timing)
  | ({ readonly kind: 'download'; readonly connections: number; readonly bytes: number } & Timing)
  | ({
      readonly kind: 'post';
      readonly connections: number;
      readonly bytes: number;
      readonly chunked: boolean;
    } & Timing)
  | ({ readonly kind: 'closed'; readonly connections: number } & Timing)
  | ({ readonly kind: 'paced'; readonly connections: number; readonly perSecond: number } & Timing)
  | ({ readonly kind: 'connect'; readonly concurrency: number } & Timing)
  | ({ readonly kind: 'stream'; readonly direction: 'down' | 'up'; readonly tunnels: number } & Timing)
  | { readonly kind: 'churn'; readonly concurrency: number; readonly count: number }
  | { readonly kind: 'hold'; readonly count: number }
  | { readonly kind: 'release' }
  | {
      readonly kind: 'begin-steady';
      readonly connections: number;
      readonly perSecond: number;
      readonly warmSeconds: number;
    };

export interface Measurement extends Window {
  /** Units of work done within the window: requests, tunnels or bytes. */
  readonly work: number;
  /** Work that went wrong: a wrong status, a broken connection, a timeout. Never part of `work`. */
  readonly failures: number;
  /** Seconds from sending a request to its whole answer; only of `paced` and `end-steady`. */
  readonly latency?: { readonly p50: number; readonly p99: number };
  /** Seconds by which the load itself was late with a request, 99th percentile; only of `end-steady`. */
  readonly lateness?: number;
}

/** The answer to a job; `error` is for jobs that could not be done at all. */
export type Answer = Measurement | { readonly error: string };
