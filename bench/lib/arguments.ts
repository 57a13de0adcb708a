/** The command line of the benches: `--quick`, `--only ids`, `--json FILE`, `--candidates names`, and positionals. */

import { parseArgs } from 'node:util';

export interface BenchArguments {
  readonly quick: boolean;
  /** Row ids; null for all. */
  readonly only: readonly string[] | null;
  /** Names of candidates; null for all. */
  readonly candidates: readonly string[] | null;
  readonly json: string | null;
  readonly positionals: readonly string[];
}

/** Reads the arguments; throws with a sentence when one is unknown or names nothing among `known`. */
export function parseBenchArguments(
  argv: readonly string[],
  known: { readonly rows: readonly string[]; readonly candidates: readonly string[] },
): BenchArguments {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      candidates: { type: 'string' },
      json: { type: 'string' },
    },
  });
  return {
    quick: values.quick,
    only: names('--only', values.only, known.rows),
    candidates: names('--candidates', values.candidates, known.candidates),
    json: values.json ?? null,
    positionals,
  };
}

function names(flag: string, value: string | undefined, known: readonly string[]): string[] | null {
  if (value === undefined) return null;
  const asked = value.split(',').filter(Boolean);
  const unknown = asked.filter((name) => !known.includes(name));
  if (asked.length === 0 || unknown.length > 0) {
    throw new Error(
      `${flag} takes names of ${known.join(', ')}${unknown.length > 0 ? `; not ${unknown.join(', ')}` : ''}`,
    );
  }
  return asked;
}
