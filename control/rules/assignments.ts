/** The rules of each request about assignments. */
import type { MessageRules } from './message-rules.ts';

export const ASSIGNMENT_RULES: readonly MessageRules[] = [];
