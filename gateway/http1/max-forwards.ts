/**
 * Max-Forwards of an OPTIONS request (RFC 9110 section 7.6.2): whoever gets it
 * with 0 answers itself, everyone else passes on one less.
 */

const FIELD = /(?:^|\r\n)max-forwards:[ \t]*([0-9]{1,9})[ \t]*(?=\r\n)/i;

/** The lines as they go on, with the number lowered where there is one; null: the request ends here. */
export function forwardedOnce(endToEnd: string): string | null {
  const field = FIELD.exec(endToEnd);
  if (field === null) return endToEnd;
  const left = Number(field[1]);
  return left === 0 ? null : endToEnd.replace(FIELD, (line, digits: string) => line.replace(digits, String(left - 1)));
}
