/**
 * Crowds of clients, or the upstream that serves them, each in a process of its own
 * (`crowd.process.ts`): for flows that measure how the gateway bears what many do.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

const PROCESS = new URL('./crowd.process.ts', import.meta.url);

/** How steady requests fared in half a second, milliseconds from sending to the whole answer. */
export interface Window {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  /** Of as many requests that went to the upstream itself, in the same half second: what the machine did. */
  readonly straightP99: number;
}

export interface BurstReport {
  /** How many ended with each status; `none`: closed without an answer, `held`: nothing came. */
  readonly statuses: Readonly<Record<string, number>>;
  /** From the call of connect to the whole head of a 503, in the order in which they came. */
  readonly refusedMs: readonly number[];
}

export type SlowKind = 'head' | 'body' | 'read';

export type Order =
  | { readonly do: 'serve' | 'windows' | 'lived' | 'stop' }
  | {
      readonly do: 'steady';
      readonly port: number;
      readonly straightPort: number;
      readonly head: string;
      readonly perSecond: number;
      readonly connections: number;
    }
  | { readonly do: 'slow'; readonly kind: SlowKind; readonly n: number; readonly port: number; readonly head: string }
  | {
      readonly do: 'burst';
      readonly n: number;
      readonly perSecond: number;
      readonly port: number;
      readonly head: string;
      /**
       * Whoever is not refused stays connected until `stop`, and counts as held when nothing came in so many
       * milliseconds; 0: nobody stays.
       */
      readonly holdMs: number;
    };

export class Crowd {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(): Promise<Crowd> {
    const child = fork(PROCESS, { execArgv: [] });
    await once(child, 'message');
    return new Crowd(child);
  }

  /** Has an order carried out; one at a time. */
  async order<Answer = void>(order: Order): Promise<Answer> {
    const answered = once(this.#child, 'message');
    this.#child.send(order);
    const [{ answer }] = (await answered) as [{ answer: Answer }];
    return answer;
  }

  async close(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.disconnect();
    await exited;
  }
}

/**
 * The longest of each fifty in a row, and of those the middle: what all have to keep, on a machine that now and then
 * does something else.
 */
export function longest(figures: readonly number[]): number {
  const groups = Array.from({ length: Math.ceil(figures.length / 50) }, (_, i) => figures.slice(i * 50, i * 50 + 50));
  return median(groups.map((group) => Math.max(...group)));
}

/** The middle one of some figures. */
export function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}
