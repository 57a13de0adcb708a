/**
 * The sessions of one pool with how they fare: loaded page by page, then kept up to date. What is on
 * the screen is asked for every two seconds, the whole pool less often, as it may be large.
 */
import { computed, signal } from '@preact/signals';
import { walk } from '../../client/pages.ts';
import type { Session, SessionState } from '../../control/gen/proxies/v1/proxies_pb.ts';
import { SessionHealth } from '../../control/gen/proxies/v1/proxies_pb.ts';
import { uuidOf } from './ids.ts';
import { type Link, messageOf } from './link.ts';
import { authorityText } from './words.ts';

export interface Row {
  readonly id: string;
  readonly session: Session;
  /** What a search looks through, in lower case. */
  readonly searched: string;
}

/** What a filter asks for: a health, or all. */
export type HealthFilter = SessionHealth | null;
export type SortKey = 'token' | 'endpoint' | 'health' | 'latency' | 'inflight' | 'traffic';

export interface Sort {
  readonly key: SortKey;
  readonly descending: boolean;
}

const VISIBLE_MS = 2_000;
/** A look at all of a pool; of a small one it costs no more than one at what is visible. */
const WHOLE_MS = 20_000;
const SMALL_POOL = 1_000;
/** Others change sessions, too. */
const RELOAD_MS = 60_000;

export class PoolSessions {
  readonly rows = signal<readonly Row[]>([]);
  readonly states = signal<ReadonlyMap<string, SessionState>>(new Map());
  /** null: everything is there. */
  readonly loading = signal<number | null>(0);
  readonly failure = signal('');
  readonly search = signal('');
  readonly health = signal<HealthFilter>(null);
  readonly sort = signal<Sort>({ key: 'token', descending: false });
  /** Ids of the rows that were marked. */
  readonly marked = signal<ReadonlySet<string>>(new Set());
  /** What the table shows, in its order. */
  readonly shown = computed(() => this.#select());
  /** How many rows are of each health. */
  readonly counts = computed(() => Map.groupBy(this.rows.value, ({ id }) => this.healthOf(id)));
  readonly #link: Link;
  readonly #workspaceId: Uint8Array<ArrayBuffer>;
  readonly #poolId: Uint8Array<ArrayBuffer>;
  readonly #left = new AbortController();
  #visible: readonly Uint8Array[] = [];

  constructor(link: Link, workspaceId: Uint8Array<ArrayBuffer>, poolId: Uint8Array<ArrayBuffer>) {
    this.#link = link;
    this.#workspaceId = workspaceId;
    this.#poolId = poolId;
  }

  /** Loads everything, and keeps it up to date until closed. */
  open(): void {
    void this.reload();
    this.#every(VISIBLE_MS, () => this.#lookAtVisible());
    this.#every(WHOLE_MS, () => this.#lookAtAll());
    this.#every(RELOAD_MS, () => this.reload());
  }

  close(): void {
    this.#left.abort();
  }

  healthOf(id: string): SessionHealth {
    return this.states.value.get(id)?.health ?? SessionHealth.UNSPECIFIED;
  }

  /** Which rows are on the screen now. */
  see(rows: readonly Row[]): void {
    this.#visible = rows.map(({ session }) => session.id);
  }

  /** Loads the list and its states again. */
  async reload(): Promise<void> {
    try {
      const isFirst = this.rows.value.length === 0;
      const found: Row[] = [];
      for await (const session of walk(this.#listing())) {
        found.push(rowOf(session));
        if (isFirst && found.length % SMALL_POOL === 0) this.loading.value = found.length;
      }
      if (this.#left.signal.aborted) return;
      this.rows.value = found;
      this.failure.value = '';
      await this.#lookAtAll();
      this.loading.value = null;
      const ids = new Set(found.map(({ id }) => id));
      this.marked.value = new Set([...this.marked.value].filter((id) => ids.has(id)));
    } catch (error) {
      if (!this.#left.signal.aborted) this.failure.value = messageOf(error);
    }
  }

  /** A session that was changed here. */
  replace(session: Session): void {
    const row = rowOf(session);
    this.rows.value = this.rows.value.map((each) => (each.id === row.id ? row : each));
    void this.#lookAt([session.id]).catch(() => undefined); // the next look tells
  }

  remove(id: string): void {
    this.rows.value = this.rows.value.filter((row) => row.id !== id);
    this.marked.value = new Set([...this.marked.value].filter((each) => each !== id));
  }

  #listing() {
    const { proxies } = this.#link;
    const of = { workspaceId: this.#workspaceId, poolId: this.#poolId };
    const options = { signal: this.#left.signal };
    return {
      page: async (cursor: string, limit: number) => {
        const { sessionIds: ids, nextCursor } = await proxies.listSessions({ ...of, cursor, limit }, options);
        return { ids, nextCursor };
      },
      load: async (sessionIds: Uint8Array[]) =>
        (await proxies.batchGetSessions({ workspaceId: this.#workspaceId, sessionIds }, options)).sessions,
    };
  }

  async #lookAtVisible(): Promise<void> {
    if (this.rows.value.length <= SMALL_POOL) return this.#lookAtAll();
    if (this.#visible.length > 0) await this.#lookAt(this.#visible.slice(0, SMALL_POOL));
  }

  async #lookAt(sessionIds: readonly Uint8Array[]): Promise<void> {
    const request = { workspaceId: this.#workspaceId, poolId: this.#poolId, sessionIds: [...sessionIds] };
    const { states } = await this.#link.proxies.listSessionStates(request, { signal: this.#left.signal });
    const known = new Map(this.states.value);
    for (const state of states) known.set(uuidOf(state.sessionId), state);
    this.states.value = known;
  }

  async #lookAtAll(): Promise<void> {
    const known = new Map<string, SessionState>();
    for (let cursor = ''; ; ) {
      const request = { workspaceId: this.#workspaceId, poolId: this.#poolId, cursor };
      const { states, nextCursor } = await this.#link.proxies.listSessionStates(request, { signal: this.#left.signal });
      for (const state of states) known.set(uuidOf(state.sessionId), state);
      if (nextCursor === '') break;
      cursor = nextCursor;
    }
    this.states.value = known;
  }

  /** Again and again until closed; what fails is tried the next time, and the link tells of it. */
  #every(ms: number, look: () => Promise<void>): void {
    const { signal } = this.#left;
    let timer: ReturnType<typeof setTimeout>;
    const again = () => {
      timer = setTimeout(
        () =>
          void look()
            .catch(() => undefined)
            .then(() => signal.aborted || again()),
        ms,
      );
    };
    // One for all turns: a listener a turn would be 43,000 of them a day.
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
    again();
  }

  #select(): readonly Row[] {
    const words = this.search.value
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== '');
    const wanted = this.health.value;
    const rows = this.rows.value.filter(
      ({ id, searched }) =>
        words.every((word) => searched.includes(word)) && (wanted === null || this.healthOf(id) === wanted),
    );
    const { key, descending } = this.sort.value;
    const states = this.states.value;
    const keyOf = (row: Row) => sortValue(key, row, states.get(row.id));
    const order = descending ? -1 : 1;
    return rows
      .map((row) => ({ row, value: keyOf(row) }))
      .sort((a, b) => order * (a.value < b.value ? -1 : Number(a.value > b.value)))
      .map(({ row }) => row);
  }
}

function rowOf(session: Session): Row {
  const { id, token, scheme, username, labels } = session;
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  const searched = [token, scheme, endpointOf(session), username, ...pairs].join(' ').toLowerCase();
  return { id: uuidOf(id), session, searched };
}

/** Where a session leads, as text; empty for one that has only a token. */
export function endpointOf({ host, port }: Session): string {
  if (host === undefined) return '';
  return port === undefined ? host : authorityText(host, port);
}

function sortValue(key: SortKey, { session }: Row, state: SessionState | undefined): string | number {
  switch (key) {
    case 'token':
      return session.token;
    case 'endpoint':
      return endpointOf(session);
    case 'health':
      return state?.health ?? SessionHealth.UNSPECIFIED;
    case 'latency':
      // Those never dialled come last.
      return state?.latency === undefined
        ? Number.POSITIVE_INFINITY
        : Number(state.latency.seconds) * 1e9 + state.latency.nanos;
    case 'inflight':
      return state?.inflight ?? 0;
    case 'traffic':
      return Number((state?.bytesIn ?? 0n) + (state?.bytesOut ?? 0n));
  }
}
