/**
 * What a client is told of a selector that was refused: the key by its canonical name,
 * in a fixed sentence (`gateway/respond.ts`), and by a name of its own in logs and in
 * explanations. Pure; nothing of what was sent can come to be in either.
 */
import { CAUSES } from './cause.ts';
import type { SelectorFault, SelectorKey } from './selector.ts';

/** The body of the answer, in place of the cause's own: at most 255 octets of ASCII. */
export function sentenceOfFault({ fault, key }: SelectorFault): string {
  if (fault === 'unknown') return 'The Proxy-Selector has a key that is not known.';
  if (key === null) return CAUSES.selector_invalid.sentence;
  return fault === 'doubled' ? `The selector has "${key}" more than once.` : `The selector's "${key}" is not valid.`;
}

/** What the fault is about, for the log; null: no key alone. */
export function nameOfFault({ fault, key }: SelectorFault): SelectorKey | 'pool' | 'unknown_key' | null {
  return fault === 'unknown' ? 'unknown_key' : key;
}
