/**
 * The rules of each request message, as data: what can be said about its fields
 * one by one; one table a noun in `rules/`. Rules that need the store or another
 * field are the services'. `interceptors/validate.ts` applies them before a
 * service sees a message.
 *
 * Invariant: every request message of both services has its row.
 */
import type { DescMessage, Message } from '@bufbuild/protobuf';
import type { FieldViolation } from './domain-error.ts';
import { checkFields, type MessageChecks } from './field-rules.ts';
import { ACCOUNT_RULES } from './rules/accounts.ts';
import { ASSIGNMENT_RULES } from './rules/assignments.ts';
import { OBSERVING_RULES } from './rules/observing.ts';
import { POOL_RULES } from './rules/pools.ts';
import { PROVIDER_RULES } from './rules/providers.ts';
import { SESSION_RULES } from './rules/sessions.ts';

const REQUEST_RULES = new Map<DescMessage, MessageChecks<never>>([
  ...ACCOUNT_RULES,
  ...SESSION_RULES,
  ...POOL_RULES,
  ...PROVIDER_RULES,
  ...ASSIGNMENT_RULES,
  ...OBSERVING_RULES,
]);

/** Every rule that the message breaks. */
export function violationsOf(schema: DescMessage, message: Message): FieldViolation[] {
  const found: FieldViolation[] = [];
  const checks = REQUEST_RULES.get(schema);
  if (checks !== undefined) checkFields(message as never, checks, '', found);
  return found;
}
