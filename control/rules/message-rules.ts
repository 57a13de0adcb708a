/** What the tables of rules are made of: the rules of one message, and the checks that many of them share. */
import type { DescMessage, Message } from '@bufbuild/protobuf';
import type { GenMessage } from '@bufbuild/protobuf/codegenv2';
import * as rule from '../field-rules.ts';
import { type Check, each, type MessageChecks, optional, required } from '../field-rules.ts';

/** A message and the checks of its fields. */
export type MessageRules = readonly [DescMessage, MessageChecks<never>];

export const id = required(rule.id);
export const anyId = optional(rule.id);
/** Ids of a BatchGet. */
export const ids = each(id, 1, 1_000);
/** The two fields of every list. */
export const page = { limit: optional(rule.limit) };

/** The checks of a request that names one object of a workspace. */
export function byId<F extends string>(field: F) {
  return { workspaceId: id, [field]: id } as { [key in F | 'workspaceId']: Check<Uint8Array> };
}

/** A type error here is a rule on a field that the message does not have. */
export function on<M extends Message>(schema: GenMessage<M>, checks: MessageChecks<M>): MessageRules {
  return [schema, checks as MessageChecks<never>];
}
