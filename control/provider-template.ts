/**
 * What a rotating provider's templates, token format and account may be. Called
 * when providers are connected, when sessions are added to them, and when they
 * are handed to the gateway, which fills the placeholders per request.
 */
import type { Rule } from './field-rules.ts';

const PLACEHOLDERS = ['token', 'username', 'password', 'country', 'city', 'isp', 'type', 'ttl_minutes'] as const;
const KNOWN: ReadonlySet<string> = new Set(PLACEHOLDERS);

/** A template of visible text whose braces all belong to known placeholders. */
export const templateRule: Rule<string> = (template) => {
  if (!/^[^\p{Cc}]{1,1024}$/u.test(template)) return 'must be 1–1024 characters without control characters';
  for (const [, name = ''] of template.matchAll(/\{([^{}]*)\}/g)) {
    if (!KNOWN.has(name)) return `placeholders must be among ${PLACEHOLDERS.map((known) => `{${known}}`).join(', ')}`;
  }
  return /[{}]/.test(template.replaceAll(/\{[^{}]*\}/g, '')) ? 'braces must enclose a placeholder' : null;
};

/** Whether the template holds the placeholder. */
export function hasPlaceholder(template: string | null | undefined, name: (typeof PLACEHOLDERS)[number]): boolean {
  return template?.includes(`{${name}}`) ?? false;
}

/** One character class of letters, digits, ranges and `_~.-`, then a length or a range of lengths. */
const TOKEN_FORMAT = /^\[((?:[A-Za-z0-9]-[A-Za-z0-9]|[A-Za-z0-9_~.])+-?)\]\{(\d{1,3})(?:,(\d{1,3}))?\}$/;

export const tokenFormatRule: Rule<string> = (format) =>
  compileTokenFormat(format) === null ? 'must be a character class and its length, such as [a-z0-9]{8,16}' : null;

/** Whether a token fits the format, or null for a format that is none. */
export function compileTokenFormat(format: string): ((token: string) => boolean) | null {
  const match = TOKEN_FORMAT.exec(format);
  if (match === null) return null;
  const [, characters = '', from = '', to = from] = match;
  const [min, max] = [Number(from), Number(to)];
  const reversed = [...characters.matchAll(/(.)-(.)/g)].some(([, first = '', last = '']) => first > last);
  if (min < 1 || max > 256 || min > max || reversed) return null;
  const pattern = new RegExp(`^[${characters}]{${min},${max}}$`);
  return (token) => pattern.test(token);
}

/** A rotating provider's account: the password alone, or with the name that its templates ask for. */
export interface ProviderAccount {
  readonly username: string | null;
  readonly password: string;
}

/**
 * Reads `credentials` (already UTF-8 text). With a name in the templates they are
 * `username:password`; null when they are not what the templates need. Braces in a
 * name are refused, as they would be taken for placeholders later.
 */
export function parseAccount(credentials: string, needsUsername: boolean): ProviderAccount | null {
  if (credentials === '' || /[\0\r\n]/.test(credentials)) return null;
  if (!needsUsername) return { username: null, password: credentials };
  const colon = credentials.indexOf(':');
  const username = credentials.slice(0, colon);
  if (colon < 1 || /[{}]/.test(username)) return null;
  return { username, password: credentials.slice(colon + 1) };
}
