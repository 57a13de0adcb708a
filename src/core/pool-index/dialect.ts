/**
 * How one rotating provider is spoken to: its templates read, its account taken apart,
 * and for each value that a request may bring the way it is spelled there. Compiled once
 * for a provider's state, used by `request-route.ts` for each of its requests.
 *
 * Invariant: a spelled value fits its format, whose characters are letters, digits and
 * `_~.-` (`token-format.ts`). What does not fit is told by its key, never cut or escaped.
 */
import type { LabelFilter } from '../label-filter.ts';
import {
  LABEL_KEYS,
  type LabelKey,
  type ParameterName,
  type ProviderParameter,
  type ProviderState,
  type SessionLabels,
} from '../model.ts';
import { type CompiledTemplate, compileTemplate } from '../template.ts';
import { compileTokenFormat, type TokenFormat } from '../token-format.ts';
import { type Pair, rotationOf } from './route.ts';

/** What a request asks of a rotating provider, beside its token. */
export interface AskedValues {
  /** Of several values of a key the first is spelled. */
  readonly labels: LabelFilter | null;
  readonly ttlMs: number | null;
}

/** The key of the username language whose value the provider cannot be told. */
export interface RequestFault {
  readonly invalid: LabelKey | 'ttl' | 'session';
}

/** A value that the templates take. */
export interface Spelling {
  readonly name: ParameterName;
  /** Whose value of the username language it is. */
  readonly key: LabelKey | 'ttl';
  /** Whether the request has a value of its own for it. */
  isAsked(asked: AskedValues): boolean;
  /** The value as it is sent, or empty text where there is none. */
  spell(asked: AskedValues, labels: SessionLabels | null): string | RequestFault;
}

export interface Dialect {
  readonly username: CompiledTemplate;
  readonly password: CompiledTemplate;
  readonly account: Pair;
  /** What minted tokens are made of and must fit; null for a format that is none, which nothing fits. */
  readonly tokenFormat: TokenFormat | null;
  /** The values that the templates take, each once. */
  readonly spellings: readonly Spelling[];
}

/** Minted for providers that say nothing of their tokens. */
const PLAIN_TOKEN = '[a-z0-9]{16}';
/** Of providers that say nothing of a value: two lower-case letters, words, and up to about a day of seconds. */
const PLAIN_COUNTRY = '[a-z]{2}';
const PLAIN_WORD = '[A-Za-z0-9_]{1,64}';
const PLAIN_DURATION: Omit<ProviderParameter, 'placeholder'> = { format: '[0-9]{1,5}', range: [1, 99_999] };

const DURATIONS = { ttl_minutes: 60_000, ttl_seconds: 1_000 } as const;
/** The longest value that any format takes. */
const MAX_VALUE = 256;
const ASCII = /^\p{ASCII}*$/u;

/** The dialect of a rotating provider; null for one that has neither templates nor a credential. */
export function compileDialect(provider: ProviderState): Dialect | null {
  const rotation = rotationOf(provider);
  if (rotation === null) return null;
  const username = compileTemplate(rotation.usernameTemplate);
  const password = compileTemplate(rotation.passwordTemplate);
  const takes = (name: string) => username.placeholders.has(name) || password.placeholders.has(name);
  const spelled = (name: ParameterName) => provider.parameters.find(({ placeholder }) => placeholder === name);
  return {
    username,
    password,
    account: rotation.account,
    tokenFormat: compileTokenFormat(provider.tokenFormat ?? PLAIN_TOKEN),
    spellings: [
      ...LABEL_KEYS.filter(takes).map((key) => compileLabel(key, spelled(key))),
      ...(['ttl_minutes', 'ttl_seconds'] as const)
        .filter(takes)
        .map((name) => compileDuration(name, spelled(name) ?? PLAIN_DURATION)),
    ],
  };
}

/** Whether a template of the dialect holds the placeholder. */
export function takesPlaceholder({ username, password }: Dialect, name: string): boolean {
  return username.placeholders.has(name) || password.placeholders.has(name);
}

function compileLabel(key: LabelKey, parameter: ProviderParameter | undefined): Spelling {
  const format = compileTokenFormat(parameter?.format ?? (key === 'country' ? PLAIN_COUNTRY : PLAIN_WORD));
  const inCase = format === null ? asItIs : caseOf(format.alphabet);
  const otherwise = parameter?.otherwise ?? {};
  const fault: RequestFault = { invalid: key };
  const spelled = (value: string): string | null => {
    if (format === null || value.length > MAX_VALUE) return null;
    const text = Object.hasOwn(otherwise, value) ? otherwise[value]! : value;
    const cased = inCase(text);
    // Beyond ASCII another case may be another letter: `ſ` would become S.
    return format.fits(cased) && (cased === text || ASCII.test(text)) ? cased : null;
  };
  return {
    name: key,
    key,
    isAsked: ({ labels }) => labels?.[key]?.[0] !== undefined,
    spell({ labels: filter }, labels) {
      const asked = filter?.[key]?.[0];
      if (asked !== undefined) return spelled(asked) ?? fault;
      const own = labels?.[key];
      // An operator's label may be in words that the provider does not know: nobody asked for it, so nothing is refused.
      return own === undefined ? '' : (spelled(own) ?? '');
    },
  };
}

function compileDuration(
  name: keyof typeof DURATIONS,
  { format, range }: Pick<ProviderParameter, 'format' | 'range'>,
): Spelling {
  const digits = compileTokenFormat(format);
  const [min, max] = range ?? [1, Number.MAX_SAFE_INTEGER];
  const unitMs = DURATIONS[name];
  const fault: RequestFault = { invalid: 'ttl' };
  return {
    name,
    key: 'ttl',
    isAsked: ({ ttlMs }) => ttlMs !== null,
    spell({ ttlMs }) {
      if (ttlMs === null) return '';
      if (!(ttlMs > 0)) return fault;
      // Upwards: the exit lives for at least as long as it was asked for.
      const text = String(Math.min(max, Math.max(min, Math.ceil(ttlMs / unitMs))));
      return digits?.fits(text) ? text : fault;
    },
  };
}

/** The case of a format that has letters of one case only. */
function caseOf(alphabet: string): (text: string) => string {
  const [lower, upper] = [/[a-z]/.test(alphabet), /[A-Z]/.test(alphabet)];
  if (lower === upper) return asItIs;
  return lower ? (text) => text.toLowerCase() : (text) => text.toUpperCase();
}

function asItIs(text: string): string {
  return text;
}
