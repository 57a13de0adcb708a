/** How a session fares, as a word with a dot: never by colour alone. */
import { SessionHealth } from '../../control/gen/proxies/v1/proxies_pb.ts';

interface HealthWord {
  readonly word: string;
  /** The class that colours it. */
  readonly tone: 'good' | 'bad' | 'warn' | 'off';
  readonly meaning: string;
}

const UNKNOWN: HealthWord = { word: 'unknown', tone: 'off', meaning: 'Its state has not come yet.' };

const WORDS: { readonly [health in SessionHealth]?: HealthWord } = {
  [SessionHealth.HEALTHY]: { word: 'healthy', tone: 'good', meaning: 'It serves.' },
  [SessionHealth.EJECTED]: { word: 'ejected', tone: 'bad', meaning: 'Left out for its failures, for a while.' },
  [SessionHealth.HALF_OPEN]: { word: 'on trial', tone: 'warn', meaning: 'One request tries it after an ejection.' },
  [SessionHealth.DISABLED]: {
    word: 'disabled',
    tone: 'off',
    meaning: 'Itself, its pool or its provider was disabled.',
  },
  [SessionHealth.UNUSABLE]: {
    word: 'unusable',
    tone: 'bad',
    meaning: 'Its stored password does not open: give it again.',
  },
};

/** Those that a filter offers, in its order. */
export const HEALTHS: readonly SessionHealth[] = [
  SessionHealth.HEALTHY,
  SessionHealth.EJECTED,
  SessionHealth.HALF_OPEN,
  SessionHealth.DISABLED,
  SessionHealth.UNUSABLE,
];

export function healthWord(health: SessionHealth): string {
  return (WORDS[health] ?? UNKNOWN).word;
}

export function HealthBadge({ health }: { readonly health: SessionHealth }) {
  const { word, tone, meaning } = WORDS[health] ?? UNKNOWN;
  return (
    <span class={`badge ${tone}`} title={meaning}>
      {word}
    </span>
  );
}
