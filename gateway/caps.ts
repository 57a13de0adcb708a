/**
 * How much may be under way at once, by level: each level has a bound, a count a
 * member, and a cause. What takes a slot gives it back exactly once, when it ends;
 * `exchange.ts` and the connections do that. All counts are zero once nobody is served.
 */
import type { GatewayLimits } from '../src/core/limits.ts';
import type { ApiKeyState } from '../src/core/model.ts';

/** Counts of one level, by member; members without any are forgotten. */
class Level<Member> {
  readonly #counts = new Map<Member, number>();

  /** Takes a slot of the member; false: it has none left. */
  take(member: Member, limit: number): boolean {
    const count = this.#counts.get(member) ?? 0;
    if (count >= limit) return false;
    this.#counts.set(member, count + 1);
    return true;
  }

  give(member: Member): void {
    const count = this.#counts.get(member)!;
    if (count > 1) this.#counts.set(member, count - 1);
    else this.#counts.delete(member);
  }
}

export class Caps {
  readonly #limits: GatewayLimits;
  readonly #perKey = new Level<string>();

  constructor(limits: GatewayLimits) {
    this.#limits = limits;
  }

  /** A request or tunnel begins; false: its key has no slot left. */
  admit(key: ApiKeyState): boolean {
    return this.#perKey.take(key.id, this.#limits.maxConnectionsPerKey);
  }

  /** One that was admitted ends. */
  release(key: ApiKeyState): void {
    this.#perKey.give(key.id);
  }
}
