/**
 * What a selector asks of labels, with what the index looks it up by: made once when the
 * selector is read, so that the many requests of its client need not make it again.
 *
 *   country us,de  city x  ──▶  values  +  mask {country, city}  +  cells "us x", "de x"
 *
 * A cell is where a facet keeps the sessions that have equal labels for its keys.
 */
import { LABEL_KEYS, type LabelKey, type SessionLabels } from './model.ts';

/**
 * A session passes when for each key that is here it has one of the values. Values are in lower case, sorted and
 * distinct, so that equal filters are equal text.
 */
export type LabelFilter = Readonly<Partial<Record<LabelKey, readonly string[]>>>;

/** A set of label keys, a bit each in the order of LABEL_KEYS; 0: none. */
export type LabelMask = number;

/** Between the values of a cell's name: no label holds it. */
export const SEPARATOR = '\u0000';
/** A filter of more cells than this has no list of them: whoever looks goes through those that there are. */
const MAX_CELLS = 256;

/** The keys of a mask. */
export function keysOf(mask: LabelMask): LabelKey[] {
  return LABEL_KEYS.filter((_, bit) => (mask & (1 << bit)) !== 0);
}

/** The mask of those keys that `labels` has. */
export function maskOf(labels: { readonly [key in LabelKey]?: unknown }): LabelMask {
  return LABEL_KEYS.reduce((mask, key, bit) => (labels[key] === undefined ? mask : mask | (1 << bit)), 0);
}

/** A filter that remembers what was made of it; equal to any other with its values. */
export class CompiledFilter implements LabelFilter {
  declare readonly country?: readonly string[];
  declare readonly city?: readonly string[];
  declare readonly isp?: readonly string[];
  declare readonly type?: readonly string[];
  readonly #mask: LabelMask;
  /** By mask; null: too many. */
  readonly #cells: (readonly string[] | null | undefined)[] = [];
  #keyed: { readonly session: string; readonly provider: string | null; readonly key: string } | null = null;

  constructor(values: LabelFilter) {
    Object.assign(this, values);
    this.#mask = maskOf(values);
  }

  /** The filter itself if it was compiled before. */
  static of(filter: LabelFilter): CompiledFilter {
    return filter instanceof CompiledFilter ? filter : new CompiledFilter(filter);
  }

  get mask(): LabelMask {
    return this.#mask;
  }

  /** The sticky key `session` as it is remembered beside those of other filters and providers. */
  stickyKey(session: string, provider: string | null): string {
    // Of the one selector that the filter belongs to, for all of its requests.
    const keyed = this.#keyed;
    if (keyed !== null && keyed.session === session && keyed.provider === provider) return keyed.key;
    const key = stickyKeyWith(session, this, provider);
    this.#keyed = { session, provider, key };
    return key;
  }

  /** Whether labels pass, as far as the keys of the mask go. */
  fits(labels: SessionLabels | undefined, mask: LabelMask): boolean {
    for (let bit = 0; bit < LABEL_KEYS.length; bit++) {
      if ((mask & (1 << bit)) === 0) continue;
      const key = LABEL_KEYS[bit]!;
      const value = labels?.[key];
      if (value === undefined || !this[key]!.includes(value)) return false;
    }
    return true;
  }

  /** The names of the cells that pass in a facet of these keys, which it must have; null: too many to name. */
  cellsFor(mask: LabelMask): readonly string[] | null {
    let cells = this.#cells[mask];
    if (cells === undefined) {
      cells = this.#name(keysOf(mask).map((key) => this[key]!));
      this.#cells[mask] = cells;
    }
    return cells;
  }

  /** One value of each key, in every combination. */
  #name([first = [], ...rest]: readonly (readonly string[])[]): readonly string[] | null {
    if (rest.reduce((count, { length }) => count * length, first.length) > MAX_CELLS) return null;
    return rest.reduce(
      (names, values) => names.flatMap((name) => values.map((value) => `${name}${SEPARATOR}${value}`)),
      first,
    );
  }
}

/** A key of a filter or a provider (null: any) is another key than that of none. */
export function stickyKeyWith(session: string, filter: LabelFilter | null, provider: string | null): string {
  return `${session}${SEPARATOR}${JSON.stringify([filter, provider])}`;
}
