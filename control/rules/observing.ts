/** The rules of each request about usage, live state and what the gateway does. */
import type { MessageRules } from './message-rules.ts';

export const OBSERVING_RULES: readonly MessageRules[] = [];
