/**
 * Max-Forwards of an OPTIONS request (RFC 9110 section 7.6.2): whoever gets it
 * with 0 answers itself, everyone else passes on one less.
 */

const FIELD = /(?:^|\r\n)max-forwards:[ \t]*([0-9]+)[ \t]*(?=\r\n)/i;
/** The most that goes on: a larger number becomes this one, as section 7.6.2 lets a recipient have its own. */
const MOST = 999_999_999;

/** The lines as they go on, with the number lowered where there is one; null: the request ends here. */
export function forwardedOnce(endToEnd: string): string | null {
  const field = FIELD.exec(endToEnd);
  if (field === null) return endToEnd;
  const left = Number(field[1]);
  if (left === 0) return null;
  return endToEnd.replace(FIELD, (line, digits: string) => line.replace(digits, String(Math.min(left - 1, MOST))));
}
