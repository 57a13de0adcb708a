/**
 * What a rotating provider's templates and token format may be. Called when providers
 * are connected or changed. The gateway fills the placeholders (`src/core/template.ts`,
 * which shows the syntax); the grammar of token formats is `src/core/token-format.ts`.
 *
 * Brackets always mean an optional segment and braces a placeholder: neither can
 * stand for itself.
 */
import { compileTokenFormat } from '../src/core/token-format.ts';
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

export const tokenFormatRule: Rule<string> = (format) =>
  compileTokenFormat(format) === null ? 'must be a character class and its length, such as [a-z0-9]{8,16}' : null;
