/**
 * What is under way, as a list that an entry joins and leaves in O(1) without
 * memory of its own, and that is walked in slices beside the traffic:
 *
 *   first ─▶ [newest] ⇄ [ … ] ⇄ [oldest]
 *               joins       ▲
 *                           └── cursor: where a walk goes on; steps aside for an entry that leaves
 *
 * Whoever joins during a walk stands before its start and is not visited by it.
 */

/** An entry carries its own links; nobody else writes them. */
export interface Linked<Entry> {
  newer: Entry | null;
  older: Entry | null;
}

/** Entries visited in one turn of the event loop: some tenths of a millisecond. */
const SLICE = 2_000;

export class UnderWay<Entry extends Linked<Entry>> {
  size = 0;
  #first: Entry | null = null;
  #last: Entry | null = null;
  #cursor: Entry | null = null;
  #walking: Promise<void> | null = null;

  add(entry: Entry): void {
    entry.older = this.#first;
    if (this.#first !== null) this.#first.newer = entry;
    else this.#last = entry;
    this.#first = entry;
    this.size++;
  }

  /** Takes out an entry that is in the list. */
  remove(entry: Entry): void {
    const { newer, older } = entry;
    if (this.#cursor === entry) this.#cursor = older;
    if (newer === null) this.#first = older;
    else newer.older = older;
    if (older !== null) older.newer = newer;
    else this.#last = newer;
    entry.newer = null;
    entry.older = null;
    this.size--;
  }

  /** Whoever joined first of those that are there; null for none. */
  get oldest(): Entry | null {
    return this.#last;
  }

  /** All of them now, the newest first. None may leave meanwhile: copy them first where they do. */
  *[Symbol.iterator](): Generator<Entry> {
    for (let entry = this.#first; entry !== null; entry = entry.older) yield entry;
  }

  /** Visits every entry that is there now and stays until its slice; joins a walk that is under way. */
  walk(visit: (entry: Entry) => void): Promise<void> {
    this.#walking ??= this.#walk(visit).finally(() => {
      this.#walking = null;
    });
    return this.#walking;
  }

  async #walk(visit: (entry: Entry) => void): Promise<void> {
    this.#cursor = this.#first;
    for (let visited = 1; this.#cursor !== null; visited++) {
      const entry = this.#cursor;
      this.#cursor = entry.older;
      visit(entry);
      if (visited % SLICE === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }
}
