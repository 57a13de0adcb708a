/** What the rounds of one run came to: outcomes by row and candidate, in the order of the rounds. */

import type { LoadRow, Outcome } from './rows.ts';
import { pairedRatio, type Spread, spread } from './statistics.ts';

export class RowResults {
  readonly row: LoadRow;
  private readonly outcomes = new Map<string, Outcome[]>();
  /** Why a candidate has no figures, by name. */
  readonly errors = new Map<string, string>();

  constructor(row: LoadRow) {
    this.row = row;
  }

  add(candidate: string, outcome: Outcome): void {
    const list = this.outcomes.get(candidate);
    if (list) list.push(outcome);
    else this.outcomes.set(candidate, [outcome]);
  }

  get candidates(): string[] {
    return [...new Set([...this.outcomes.keys(), ...this.errors.keys()])];
  }

  /** The figures of one metric, a round each; empty when the candidate did not run. */
  series(candidate: string, metric: string): number[] {
    return (this.outcomes.get(candidate) ?? []).map(({ values }) => values[metric] ?? Number.NaN);
  }

  spread(candidate: string, metric: string): Spread {
    return spread(this.series(candidate, metric));
  }

  /** How `candidate` compares with `peer`, round by round. */
  ratio(candidate: string, peer: string, metric: string): Spread {
    return pairedRatio(this.series(candidate, metric), this.series(peer, metric));
  }

  failures(candidate: string): number {
    return (this.outcomes.get(candidate) ?? []).reduce((sum, { failures }) => sum + failures, 0);
  }

  /** The most cores that strangers kept busy during any window of the row. */
  get foreignCores(): number {
    return Math.max(0, ...[...this.outcomes.values()].flat().map(({ foreignCores }) => foreignCores || 0));
  }

  toJSON(): object {
    return {
      id: this.row.id,
      title: this.row.title,
      errors: Object.fromEntries(this.errors),
      foreignCores: this.foreignCores,
      candidates: Object.fromEntries(this.outcomes),
    };
  }
}
