/**
 * A judge reads what the gateway emitted, by a parser that shares nothing with ours,
 * and says where it understands something else. What a judge cannot know or changes
 * on purpose is data of that judge, each point with its reason.
 */
import type { Meaning, Reading } from '../meaning.ts';

/** What the gateway emitted on one connection, and what it must mean. */
export interface Case {
  /** Number of the input that it comes from. */
  readonly input: number;
  readonly octets: string;
  readonly expected: Reading;
}

export interface Disagreement {
  readonly judge: string;
  readonly input: number;
  readonly octets: string;
  readonly difference: string;
}

export interface Judge {
  readonly name: string;
  /** What it is and in which version, for the report. */
  readonly version: string;
  judge(cases: readonly Case[]): Promise<Disagreement[]>;
  /** How often a known limit of this judge was met, by its reason. */
  readonly limitsMet: ReadonlyMap<string, number>;
  close(): Promise<void>;
}

/** What a judge is known to refuse, though it is right by the RFC. Met, it is counted and not a disagreement. */
export interface KnownLimit {
  readonly reason: string;
  readonly met: (request: Meaning) => boolean;
}

/** Counts by reason. */
export class LimitsMet extends Map<string, number> {
  count(reason: string): void {
    this.set(reason, (this.get(reason) ?? 0) + 1);
  }
}
