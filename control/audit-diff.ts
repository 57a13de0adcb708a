/**
 * What an audit row tells of a change: plain JSON of the public fields, before and
 * after. Called by mutating services, which pass the result on to `mutate`:
 *
 *   create: after = auditFields(Schema, message)      delete: before = auditFields(Schema, message)
 *   update: { before, after } = changedFields(beforeJson, afterJson)
 *
 * Secrets are in no message that can be shown, so they are in no row: a service
 * writes that one was replaced as `password: CHANGED`.
 */
import { type DescMessage, type JsonObject, type JsonValue, type MessageShape, toJson } from '@bufbuild/protobuf';

/** Fields of a message as JSON, by their JSON names. */
export type AuditFields = Readonly<JsonObject>;

/** Stands for a secret that was given, replaced or cleared. */
export const CHANGED = 'changed';

/** Names under which requests carry secrets: a row holds nothing but `CHANGED` there. */
const SECRET_NAMES = ['password', 'credentials', 'rawKey'] as const;

/** Longest text of one side of a row; a page of 1,000 rows stays within 16 MB. */
const MAX_TEXT = 8_192;
/** Stands for a value that would make the text longer than that. */
const TOO_LONG = 'too long to record';

/** Said by the row's own columns, or different after every change. */
const NOISE: ReadonlySet<string> = new Set(['id', 'workspaceId', 'version', 'createdAt', 'updatedAt', 'lastUsedAt']);

/** The message's fields that a reader of the record wants to see; what is empty is left out. */
export function auditFields<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): AuditFields {
  // Times are dear to write as text, and none of these is told.
  const timeless = { ...message, createdAt: undefined, updatedAt: undefined, lastUsedAt: undefined };
  // A `false` is worth telling, so nothing is left out by the mapping itself.
  const json = toJson(schema, timeless, { alwaysEmitImplicit: true }) as JsonObject;
  return Object.fromEntries(Object.entries(json).filter(([name, value]) => !NOISE.has(name) && !isEmpty(value)));
}

function isEmpty(value: JsonValue): boolean {
  return value === '' || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
}

/** Only the fields that differ, on both sides; a field that one side does not have is missing there. */
export function changedFields(before: AuditFields, after: AuditFields): { before: AuditFields; after: AuditFields } {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const differing = names.filter((name) => !NOISE.has(name) && !sameJson(before[name], after[name]));
  return { before: pick(before, differing), after: pick(after, differing) };
}

function pick(fields: AuditFields, names: readonly string[]): AuditFields {
  const present = names.filter((name) => fields[name] !== undefined);
  return Object.fromEntries(present.map((name) => [name, fields[name] as JsonValue]));
}

/** Whether two values say the same; the order of an object's names says nothing. */
function sameJson(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [left, right] = [a as JsonObject, b as JsonObject];
  const names = Object.keys(left);
  return names.length === Object.keys(right).length && names.every((name) => sameJson(left[name], right[name]));
}

/** The fields as a row keeps them: JSON of bounded length, null without any. Throws when a secret is among them. */
export function auditText(fields: AuditFields | null | undefined): string | null {
  if (!fields) return null;
  for (const name of SECRET_NAMES) {
    if (fields[name] !== undefined && fields[name] !== CHANGED) throw new Error(`an audit row must not hold ${name}`);
  }
  const text = JSON.stringify(fields);
  if (text === '{}') return null;
  return text.length <= MAX_TEXT ? text : shortened(fields);
}

/** Largest values first are replaced until the rest fits; a message has few fields, so their names always do. */
function shortened(fields: AuditFields): string {
  const kept: JsonObject = { ...fields };
  const sizeOf = (name: string) => JSON.stringify(kept[name]).length;
  for (const name of Object.keys(kept).sort((a, b) => sizeOf(b) - sizeOf(a))) {
    kept[name] = TOO_LONG;
    const text = JSON.stringify(kept);
    if (text.length <= MAX_TEXT) return text;
  }
  return JSON.stringify({ fields: TOO_LONG });
}
