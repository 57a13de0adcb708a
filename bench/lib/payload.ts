/** What the target answers, known to both ends so that answers are checked before they are timed. */

export const SMALL_BODY = 'a small answer of about sixty-four bytes, the same every time..\n';

/** The pattern that `/bytes/N` repeats; its period is prime to every chunk size, so that a lost or doubled byte shows. */
export const PATTERN: Buffer = Buffer.alloc(251 * 1_045, Buffer.from(Array.from({ length: 251 }, (_, i) => i)));

/** So many octets of the pattern, from its start. */
export const patternOf = (bytes: number): Buffer => Buffer.alloc(bytes, PATTERN);

/** The host that clients ask for: reserved, never looked up, as every request goes to the upstream by name. */
export const TARGET_HOST = 'target.test';

/** What the target answers to a POST: how many octets its body had; as long for every body, so that a wrong count is known by it. */
export const postAnswer = (octets: number): string => `${octets} octets`.padEnd(32);
