/**
 * Fills the user-name and password templates of rotating providers. Called when a
 * route is compiled; what a template may hold is the control plane's rule.
 *
 *   acme-{username}[-country-{country}]-session-{token}
 *   └ text  └ value └ optional segment: vanishes when a value of it is missing
 *   {username}-res-[{country}|any]          after `|`: what stands there instead
 *
 * Invariant: one pass over the template. A value is never read as a part of it, so
 * no token, name or label can add a placeholder, a segment or a parameter.
 */

/** Values by placeholder name; an absent or empty one counts as missing. */
export type TemplateValues = Readonly<Record<string, string>>;

const PART = /\[([^[\]|]*)(?:\|([^[\]]*))?\]|\{([a-z_]+)\}/g;
const PLACEHOLDER = /\{([a-z_]+)\}/g;

/** The text of a template; a missing value outside of an optional segment renders as empty text. */
export function fillTemplate(template: string, values: TemplateValues): string {
  return template.replace(PART, (_, segment: string | undefined, instead: string | undefined, name: string) => {
    if (segment === undefined) return lookUp(values, name);
    const complete = [...segment.matchAll(PLACEHOLDER)].every(([, inside = '']) => lookUp(values, inside) !== '');
    return complete ? segment.replace(PLACEHOLDER, (__, inside: string) => lookUp(values, inside)) : (instead ?? '');
  });
}

function lookUp(values: TemplateValues, name: string): string {
  return Object.hasOwn(values, name) ? (values[name] ?? '') : '';
}
