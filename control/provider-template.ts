/**
 * What a rotating provider's templates, token format and account may be. Called
 * when providers are connected or changed and when sessions are added to them. The
 * gateway fills the placeholders (`src/core/template.ts`, which shows the syntax).
 *
 * Brackets always mean an optional segment and braces a placeholder: neither can
 * stand for itself.
 */
import type { Rule } from './field-rules.ts';

const PLACEHOLDERS = [
  'token',
  'username',
  'password',
  'country',
  'city',
  'isp',
  'type',
  'ttl_minutes',
  'ttl_seconds',
] as const;
export type Placeholder = (typeof PLACEHOLDERS)[number];

const KNOWN: ReadonlySet<string> = new Set(PLACEHOLDERS);
/** An optional segment: its text, and behind a bar what stands there when it vanishes. */
const SEGMENT = /\[([^[\]|]*)(?:\|([^[\]|]*))?\]/g;

/** A template of visible text whose braces enclose known placeholders and whose brackets enclose optional segments. */
export const templateRule: Rule<string> = (template) => {
  if (!/^[^\p{Cc}]{1,1024}$/u.test(template)) return 'must be 1–1024 characters without control characters';
  for (const [, name = ''] of template.matchAll(/\{([^{}]*)\}/g)) {
    if (!KNOWN.has(name)) return `placeholders must be among ${PLACEHOLDERS.map((known) => `{${known}}`).join(', ')}`;
  }
  if (/[{}]/.test(template.replaceAll(/\{[^{}]*\}/g, ''))) return 'braces must enclose a placeholder';
  return segmentFault(template);
};

function segmentFault(template: string): string | null {
  if (/[[\]]/.test(template.replaceAll(SEGMENT, ''))) return 'brackets must enclose an optional segment, and not nest';
  for (const [, segment = '', instead = ''] of template.matchAll(SEGMENT)) {
    if (!/[{}]/.test(segment)) return 'an optional segment must hold a placeholder';
    if (/[{}]/.test(instead)) return 'a placeholder must not stand behind the bar of an optional segment';
    // It would vanish with the other value, and all sessions would be one.
    if (hasPlaceholder(segment, 'token') && segment.replaceAll('{token}', '').includes('{')) {
      return '{token} must not share an optional segment with another placeholder';
    }
  }
  return null;
}

/** Whether the template holds the placeholder. */
export function hasPlaceholder(template: string | null | undefined, name: Placeholder): boolean {
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
