/**
 * Deadlines of every socket on one coarse tick: no timer object per request.
 *
 * A wheel of slots, one a tick. Arming writes a tick number into the entry; it
 * is filed only when it is in no slot, or in one that comes up too late. When
 * its slot comes up, an entry that was re-armed meanwhile is filed again, a
 * disarmed one is dropped, a due one fires. So arming and disarming on the request
 * path are mostly one store. An entry stands in one slot at most, and leaves it when
 * it is released: what has ended keeps nothing here.
 *
 *   slot:   0    1    2    3   …  511   (511 ticks ahead at most; later ones
 *          [e]  []  [e,e] []       []    are visited and filed again)
 *
 * A deadline never fires early, and less than two ticks (200 ms) late: one for
 * rounding up, one because arming falls somewhere within a tick. Of thousands that
 * are due at once (as those of a slow attack are), a few fire in each turn of the
 * event loop, so that nobody else waits for all of them.
 */

const TICK_MS = 100;
const SLOTS = 512;
const NEVER = Number.MAX_SAFE_INTEGER;
/** Fired in one turn of the event loop at most: each may write an answer and close a socket, some 50 µs. */
const FIRED_A_TURN = 16;

/** Something with one pending deadline. Create one per connection and re-arm it. */
export class Deadline {
  /** Tick at which it fires; NEVER while disarmed. */
  at = NEVER;
  /** Tick at which the wheel looks at it next; NEVER while it is in no slot. */
  visitAt = NEVER;
  /** Its index in that slot. */
  position = -1;
  readonly #wheel: Deadlines;
  fire: () => void;

  constructor(wheel: Deadlines, fire: () => void) {
    this.#wheel = wheel;
    this.fire = fire;
  }

  /** Fires after `ms` milliseconds, replacing what was armed before. */
  arm(ms: number): void {
    this.at = this.#wheel.tick + Math.ceil(ms / TICK_MS) + 1;
    if (this.at < this.visitAt) this.#wheel.file(this);
  }

  /** Fires after `ms` milliseconds at the latest: what is armed stays when it comes sooner. */
  armSooner(ms: number): void {
    if (this.#wheel.tick + Math.ceil(ms / TICK_MS) + 1 < this.at) this.arm(ms);
  }

  disarm(): void {
    this.at = NEVER;
  }

  /** Disarms for good: the wheel knows it no more. */
  release(): void {
    this.at = NEVER;
    if (this.visitAt !== NEVER) this.#wheel.take(this);
  }
}

/** A slot that has come up: what was filed in it for this tick, worked off from `next` on. */
interface DueSlot {
  readonly tick: number;
  readonly entries: readonly Deadline[];
  next: number;
}

export class Deadlines {
  tick = 0;
  readonly #slots: Deadline[][] = Array.from({ length: SLOTS }, () => []);
  readonly #due: DueSlot[] = [];
  #filedCount = 0;
  #timer: NodeJS.Timeout | null = null;
  /** The next turn's work, while something due is left for it. */
  #rest: NodeJS.Immediate | null = null;

  /** Number of entries in the wheel, disarmed ones included until their slot comes up. */
  get size(): number {
    return this.#filedCount;
  }

  /** Milliseconds since a tick, by a tick more or less; the wheel stands still while it is empty. */
  since(tick: number): number {
    return (this.tick - tick) * TICK_MS;
  }

  /** Puts an armed entry into the slot that fits, and out of a later one. */
  file(entry: Deadline): void {
    if (entry.visitAt !== NEVER) this.take(entry);
    const ahead = Math.min(Math.max(entry.at - this.tick, 1), SLOTS - 1);
    entry.visitAt = this.tick + ahead;
    entry.position = this.#slots[entry.visitAt % SLOTS]!.push(entry) - 1;
    this.#filedCount++;
    this.#timer ??= setInterval(() => this.advance(), TICK_MS).unref();
  }

  /** Takes an entry that is filed out of its slot: the last one of the slot fills its place. */
  take(entry: Deadline): void {
    const { visitAt, position } = entry;
    entry.visitAt = NEVER;
    // One whose slot has come up is passed over when its turn comes.
    if (visitAt <= this.tick) return;
    const slot = this.#slots[visitAt % SLOTS]!;
    const last = slot.pop()!;
    if (last !== entry) {
      slot[position] = last;
      last.position = position;
    }
    this.#filedCount--;
  }

  /** One tick; called by the interval, and by tests in place of time. */
  advance(): void {
    this.tick++;
    const entries = this.#slots[this.tick % SLOTS]!;
    if (entries.length > 0) {
      this.#slots[this.tick % SLOTS] = [];
      this.#due.push({ tick: this.tick, entries, next: 0 });
      if (this.#rest === null) this.#workOff();
    }
    if (this.#filedCount === 0) this.#stop();
  }

  /** Visits what has come up; the rest in later turns, once so many have fired. */
  #workOff(): void {
    this.#rest = null;
    let fired = 0;
    for (let slot = this.#due[0]; slot !== undefined; slot = this.#due[0]) {
      while (slot.next < slot.entries.length) {
        if (fired === FIRED_A_TURN) {
          this.#rest = setImmediate(() => this.#workOff());
          return;
        }
        const entry = slot.entries[slot.next++]!;
        this.#filedCount--;
        if (entry.visitAt === slot.tick && this.#visit(entry)) fired++;
      }
      this.#due.shift();
    }
  }

  /** Fires it if it is due, files it again if it was re-armed; whether it fired. */
  #visit(entry: Deadline): boolean {
    entry.visitAt = NEVER;
    if (entry.at > this.tick) {
      if (entry.at !== NEVER) this.file(entry);
      return false;
    }
    entry.at = NEVER;
    entry.fire();
    return true;
  }

  /** Drops every entry and the tick. */
  close(): void {
    for (const slot of this.#slots) {
      for (const entry of slot) entry.visitAt = NEVER;
      slot.length = 0;
    }
    for (const slot of this.#due.splice(0)) {
      for (const entry of slot.entries) entry.visitAt = NEVER;
      slot.next = slot.entries.length;
    }
    this.#filedCount = 0;
    if (this.#rest) clearImmediate(this.#rest);
    this.#rest = null;
    this.#stop();
  }

  #stop(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }
}
