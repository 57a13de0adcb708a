/** What to do about a cause, as `docs/causes.md` has it. */
import { ADVICE } from '../../src/core/advice.ts';
import type { Cause } from '../../src/core/cause.ts';

/** Nothing for a cause that this page does not know. */
export function Advice({ cause }: { readonly cause: string }) {
  const text = ADVICE[cause as Cause];
  if (text === undefined) return null;
  // What stands between backticks is typed as it is.
  return (
    <p class="advice">{text.split('`').map((part, n) => (n % 2 === 1 ? <code key={part}>{part}</code> : part))}</p>
  );
}
