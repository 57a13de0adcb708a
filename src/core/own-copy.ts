/**
 * Text that outlives what it was cut from. Pure, for whatever keeps a part of a
 * client's message: selectors, credentials, targets.
 */

/**
 * The same text, keeping no other in memory. A part cut out of a head is to V8 a view of the whole head, credentials
 * included: what outlives its request must be a copy. (V8 copies what it has to join; 120 ns.)
 */
export function ownCopy(text: string): string {
  return ` ${text}`.slice(1);
}
