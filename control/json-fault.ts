/**
 * Says what is wrong with a JSON request that does not fit its message: the path
 * of the first wrong field and the rule it breaks.
 *
 * Why not the library's text: it quotes the value, and the value may be a
 * password. Here the library is only the judge: each field is offered to it
 * alone, and what it refuses is named by its path and described by its type.
 * Runs on failure only, so its cost is the client's own doing and bounded by the body.
 */
import {
  type DescField,
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  ScalarType,
} from '@bufbuild/protobuf';
import type { FieldViolation } from './domain-error.ts';

/** Paths are shown to clients: what is no field name is not repeated in full. */
const SHOWABLE_KEY = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;

/** The fault of a JSON text that `fromJsonString` refused for this message. */
export function describeJsonFault(schema: DescMessage, text: string): FieldViolation {
  let json: JsonValue;
  try {
    json = JSON.parse(text);
  } catch {
    return { field: 'body', description: 'must be one JSON object' };
  }
  // Each field is right by itself, so it must be the keys: one that stands twice, or a field under both its names.
  return locate(schema, json, '') ?? { field: 'body', description: 'must not hold the same key twice' };
}

function locate(schema: DescMessage, json: JsonValue, path: string): FieldViolation | null {
  if (!isObject(json)) return { field: path || 'body', description: 'must be an object' };
  for (const [key, value] of Object.entries(json)) {
    const field = schema.fields.find((known) => known.jsonName === key || known.name === key);
    if (field === undefined) return { field: join(path, key), description: 'is not a field of this request' };
    const fault = accepts(schema, key, value) ? null : faultInField(field, value, join(path, field.jsonName));
    if (fault !== null) return fault;
  }
  return null;
}

function faultInField(field: DescField, value: JsonValue, path: string): FieldViolation {
  if (field.fieldKind === 'list') {
    if (!Array.isArray(value)) return { field: path, description: 'must be a list' };
    const index = value.findIndex((item) => !accepts(field.parent, field.jsonName, [item]));
    const item = value[index] ?? null;
    const inner = field.message === undefined ? null : locate(field.message, item, `${path}[${index}]`);
    return inner ?? { field: `${path}[${index}]`, description: ruleOfType(field) };
  }
  if (field.fieldKind === 'message' && !field.message.typeName.startsWith('google.protobuf.')) {
    const inner = locate(field.message, value, path);
    if (inner !== null) return inner;
  }
  return { field: path, description: ruleOfType(field) };
}

/** Whether the message takes this one key. */
function accepts(schema: DescMessage, key: string, value: JsonValue): boolean {
  try {
    fromJson(schema, { [key]: value });
    return true;
  } catch {
    return false;
  }
}

/** What a field of this type must look like in JSON. */
function ruleOfType(field: DescField): string {
  if (field.fieldKind === 'map') return 'must be an object whose values are text';
  if (field.enum) return `must be one of ${field.enum.values.map((value) => value.name).join(', ')}`;
  if (field.message) {
    if (field.message.typeName === 'google.protobuf.Timestamp') return 'must be an RFC 3339 time';
    return field.message.typeName === 'google.protobuf.Duration'
      ? 'must be a duration such as "30s"'
      : 'must be an object';
  }
  switch (field.scalar) {
    case ScalarType.STRING:
      return 'must be text';
    case ScalarType.BYTES:
      return 'must be bytes in standard base64';
    case ScalarType.BOOL:
      return 'must be true or false';
    case ScalarType.INT64:
      return 'must be a 64-bit integer';
    default:
      return 'must be a 32-bit integer';
  }
}

function join(path: string, key: string): string {
  const shown = SHOWABLE_KEY.test(key) ? key : '(unnamed)';
  return path === '' ? shown : `${path}.${shown}`;
}

function isObject(json: JsonValue): json is JsonObject {
  return json !== null && typeof json === 'object' && !Array.isArray(json);
}
