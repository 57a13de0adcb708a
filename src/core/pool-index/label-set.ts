/**
 * The labels of sessions, one object for each combination that a pool has: a million
 * sessions of a hundred cities share a hundred of these. `Facet` asks for the text under
 * which a session stands for some of the label keys; it is made once and kept.
 */
import { keysOf, type LabelMask, maskOf, SEPARATOR } from '../label-filter.ts';
import { LABEL_KEYS, type SessionLabels } from '../model.ts';

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
