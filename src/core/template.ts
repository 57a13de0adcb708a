/**
 * Fills the user-name and password templates of rotating providers. Called when a
 * route is compiled; what a template may hold is the control plane's rule.
 *
 *   acme-{username}[-country-{country}]-session-{token}
 *   └ text  └ value └ optional segment: vanishes when a value of it is missing
 *   {username}-res-[{country}|any]          after `|`: what stands there instead
 *
 * Invariant: a template is read before any value is known. A value is never read as a
 * part of it, so no token, name or label can add a placeholder, a segment or a parameter.
 */

/** Values by placeholder name; an absent or empty one counts as missing. */
export type TemplateValues = Readonly<Record<string, string>>;

/** A template that was read once, to be filled for many requests. */
export interface CompiledTemplate {
  /** The names of its placeholders, those of optional segments included. */
  readonly placeholders: ReadonlySet<string>;
  /** Its text with these values; a missing one outside of an optional segment is empty text. */
  fill(values: TemplateValues): string;
}

/** Text and names in turn: the first is text. */
type Run = readonly string[];
/** `instead` null: not optional. */
type Part = { readonly run: Run; readonly instead: string | null };

const SEGMENT = /\[([^[\]|]*)(?:\|([^[\]]*))?\]/g;
const PLACEHOLDER = /\{([a-z_]+)\}/;

/** Reads a template. */
export function compileTemplate(template: string): CompiledTemplate {
  const parts: Part[] = [];
  let end = 0;
  for (const match of template.matchAll(SEGMENT)) {
    parts.push({ run: runOf(template.slice(end, match.index)), instead: null });
    parts.push({ run: runOf(match[1] ?? ''), instead: match[2] ?? '' });
    end = match.index + match[0].length;
  }
  parts.push({ run: runOf(template.slice(end)), instead: null });
  const placeholders = new Set(parts.flatMap(({ run }) => run.filter((_, i) => i % 2 === 1)));
  return { placeholders, fill: (values) => fillParts(parts, values) };
}

/** The text of a template; a missing value outside of an optional segment renders as empty text. */
export function fillTemplate(template: string, values: TemplateValues): string {
  return compileTemplate(template).fill(values);
}

/** `split` keeps what the group matched: every second piece is a name. */
function runOf(text: string): Run {
  return text.split(PLACEHOLDER);
}

function fillParts(parts: readonly Part[], values: TemplateValues): string {
  let text = '';
  for (const { run, instead } of parts) {
    text += instead === null || isComplete(run, values) ? fillRun(run, values) : instead;
  }
  return text;
}

function isComplete(run: Run, values: TemplateValues): boolean {
  for (let i = 1; i < run.length; i += 2) if (lookUp(values, run[i]!) === '') return false;
  return true;
}

function fillRun(run: Run, values: TemplateValues): string {
  let text = run[0]!;
  for (let i = 1; i < run.length; i += 2) text += lookUp(values, run[i]!) + run[i + 1]!;
  return text;
}

function lookUp(values: TemplateValues, name: string): string {
  return Object.hasOwn(values, name) ? (values[name] ?? '') : '';
}
