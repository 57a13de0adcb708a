/** What a look of `doctor` finds. */

/** What one look found. */
export interface Finding {
  readonly verdict: 'ok' | 'warn' | 'fail';
  /** What was looked at. */
  readonly what: string;
  readonly text: string;
  /** What to do; null where nothing is to be done. */
  readonly advice: string | null;
}

export function good(what: string, text: string): Finding {
  return { verdict: 'ok', what, text, advice: null };
}

export function doubtful(what: string, text: string, advice: string): Finding {
  return { verdict: 'warn', what, text, advice };
}

export function bad(what: string, text: string, advice: string): Finding {
  return { verdict: 'fail', what, text, advice };
}
