/**
 * The labels of sessions, one object for each combination that a pool has: a million
 * sessions of a hundred cities share a hundred of these. `Facet` asks for the text under
 * which a session stands for some of the label keys; it is made once and kept.
 */
import { LABEL_KEYS, type LabelKey, type SessionLabels } from '../model.ts';

/** A set of label keys, a bit each in the order of LABEL_KEYS; 0: none. */
export type LabelMask = number;
export const ALL_LABELS: LabelMask = (1 << LABEL_KEYS.length) - 1;
/** Between the values of a cell's name: no label holds it. */
export const SEPARATOR = '\u0000';

/** The keys of a mask. */
export function keysOf(mask: LabelMask): LabelKey[] {
  return LABEL_KEYS.filter((_, bit) => (mask & (1 << bit)) !== 0);
}

/** The mask of those keys that `labels` has. */
export function maskOf(labels: { readonly [key in LabelKey]?: unknown }): LabelMask {
  return LABEL_KEYS.reduce((mask, key, bit) => (labels[key] === undefined ? mask : mask | (1 << bit)), 0);
}

export class LabelSet {
  readonly labels: SessionLabels;
  readonly mask: LabelMask;
  /** Sessions that have it. */
  uses = 0;
  readonly #names: (string | undefined)[] = [];

  constructor(labels: SessionLabels) {
    this.labels = labels;
    this.mask = maskOf(labels);
  }

  /** The name of its cell among those of a set of keys; null when it lacks one of them. */
  nameFor(mask: LabelMask): string | null {
    if ((this.mask & mask) !== mask) return null;
    let name = this.#names[mask];
    if (name === undefined) {
      name = keysOf(mask)
        .map((key) => this.labels[key])
        .join(SEPARATOR);
      this.#names[mask] = name;
    }
    return name;
  }
}

/** The label sets of one pool. */
export class LabelSets {
  readonly #sets = new Map<string, LabelSet>();

  /** The set with these labels, in use once more; null for none. */
  take(labels: SessionLabels | null): LabelSet | null {
    if (labels === null) return null;
    const text = textOf(labels);
    let set = this.#sets.get(text);
    if (set === undefined) {
      set = new LabelSet(labels);
      this.#sets.set(text, set);
    }
    set.uses++;
    return set;
  }

  /** One session less has it. */
  give(set: LabelSet | null): void {
    if (set !== null && --set.uses === 0) this.#sets.delete(textOf(set.labels));
  }
}

function textOf(labels: SessionLabels): string {
  return LABEL_KEYS.map((key) => labels[key] ?? SEPARATOR).join(SEPARATOR);
}
