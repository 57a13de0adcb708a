/**
 * Requests as they finish: a stream of the API, its last records kept, begun again when it breaks.
 *
 * Bound: KEPT records, and as many that came while it was paused.
 */
import { signal } from '@preact/signals';
import type { RequestRecord } from '../../control/gen/proxies/v1/proxies_pb.ts';
import { type Link, messageOf, outcomeOf } from './link.ts';

export interface TailFilter {
  readonly poolId?: Uint8Array<ArrayBuffer>;
  readonly sessionId?: Uint8Array<ArrayBuffer>;
  readonly accountName?: string;
  readonly cause?: string;
}

const KEPT = 500;
/** Records are shown together, so many times a second at most. */
const SHOW_MS = 150;
const AGAIN_MS = 2_000;

export class TailFeed {
  /** Newest first. */
  readonly records = signal<readonly RequestRecord[]>([]);
  readonly paused = signal(false);
  /** Whether requests went by unseen: they came faster than they were read. */
  readonly missed = signal(false);
  readonly failure = signal('');
  /** How many came while it is paused. */
  readonly waiting = signal(0);
  readonly #link: Link;
  readonly #workspaceId: Uint8Array<ArrayBuffer>;
  readonly #filter: TailFilter;
  readonly #left = new AbortController();
  #fresh: RequestRecord[] = [];
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(link: Link, workspaceId: Uint8Array<ArrayBuffer>, filter: TailFilter) {
    this.#link = link;
    this.#workspaceId = workspaceId;
    this.#filter = filter;
  }

  /** Follows until closed; what breaks is begun again, but for what the service refuses. */
  async open(): Promise<void> {
    const { signal } = this.#left;
    while (!signal.aborted) {
      try {
        await this.#follow(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.failure.value = messageOf(error);
        if (outcomeOf(error) !== 'lost') return;
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }

  close(): void {
    this.#left.abort();
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  pause(): void {
    this.paused.value = true;
  }

  resume(): void {
    this.paused.value = false;
    this.waiting.value = 0;
    this.#show();
  }

  clear(): void {
    this.#fresh = [];
    this.records.value = [];
    this.missed.value = false;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const request = { workspaceId: this.#workspaceId, ...this.#filter };
    for await (const { request: record, missed } of this.#link.proxies.tailRequests(request, { signal })) {
      this.failure.value = '';
      if (missed) this.missed.value = true;
      if (record !== undefined) this.#take(record);
    }
  }

  #take(record: RequestRecord): void {
    this.#fresh.push(record);
    if (this.#fresh.length > KEPT) this.#fresh.shift();
    if (this.paused.value) this.waiting.value++;
    else this.#timer ??= setTimeout(() => this.#show(), SHOW_MS);
  }

  #show(): void {
    this.#timer = null;
    if (this.paused.value || this.#fresh.length === 0) return;
    this.records.value = [...this.#fresh.reverse(), ...this.records.value].slice(0, KEPT);
    this.#fresh = [];
  }
}
