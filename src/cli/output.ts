/**
 * What a command answers: for a person tables and lines, for a script (`--json`) the messages of the
 * API as its reference has them, one JSON text on standard output.
 */
import {
  type DescField,
  type DescMessage,
  type JsonValue,
  type Message,
  type MessageShape,
  toJson,
} from '@bufbuild/protobuf';
import { type Duration, type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';
import { uuidOf } from '../../client/client.ts';
import type { CommandHost } from './host.ts';
import { type Column, detailsText, tableText } from './print-table.ts';

const TIMESTAMP = 'google.protobuf.Timestamp';
const DURATION = 'google.protobuf.Duration';

export class Output {
  readonly json: boolean;
  readonly host: CommandHost;

  constructor(host: CommandHost, json: boolean) {
    this.host = host;
    this.json = json;
  }

  /** For a person alone. */
  say(text: string): void {
    if (!this.json) this.host.print(text);
  }

  /** For a script alone. */
  tell(json: JsonValue): void {
    if (this.json) this.host.print(JSON.stringify(json, null, 2));
  }

  /** A table for a person, with `none` in place of an empty one. */
  table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], none: string): void {
    this.say(tableText(rows, columns, none));
  }

  /** A list: a table, with `none` in place of an empty one; an array. */
  rows<Desc extends DescMessage>(
    schema: Desc,
    messages: readonly MessageShape<Desc>[],
    columns: readonly Column<MessageShape<Desc>>[],
    none: string,
  ): void {
    this.say(tableText(messages, columns, none));
    this.tell(messages.map((message) => toJson(schema, message)));
  }

  /** One object, whole. */
  one<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): void {
    this.say(detailsText(detailsOf(schema, message)));
    this.tell(toJson(schema, message));
  }
}

/** Every field that is there, nested ones by `outer.inner`. */
export function detailsOf(schema: DescMessage, message: Message, prefix = ''): (readonly [string, string])[] {
  return schema.fields.flatMap((field) => {
    const value = (message as unknown as Record<string, unknown>)[field.localName];
    if (value === undefined || (Array.isArray(value) && value.length === 0)) return [];
    const name = `${prefix}${field.jsonName}`;
    const isPlain = field.fieldKind !== 'message' || isTime(field.message);
    return isPlain ? [[name, textOf(field, value)] as const] : detailsOf(field.message!, value as Message, `${name}.`);
  });
}

function isTime(message: DescMessage): boolean {
  return message.typeName === TIMESTAMP || message.typeName === DURATION;
}

function textOf(field: DescField, value: unknown): string {
  if (field.fieldKind === 'list') return (value as unknown[]).map((each) => plainText(field, each)).join(', ');
  if (field.fieldKind === 'map') {
    const pairs = Object.entries(value as Record<string, unknown>);
    return pairs.length === 0 ? '-' : pairs.map(([key, each]) => `${key}=${String(each)}`).join(', ');
  }
  return plainText(field, value);
}

function plainText({ enum: values, message }: DescField, value: unknown): string {
  if (values) return wordOf(values.values.find(({ number }) => number === value)?.localName ?? String(value));
  if (message?.typeName === TIMESTAMP) return timeText(value as Timestamp);
  if (message?.typeName === DURATION) return durationText(value as Duration);
  return value instanceof Uint8Array ? idText(value) : String(value);
}

/** `round-robin` for `ROUND_ROBIN`: what flags take. */
export function wordOf(name: string): string {
  return name.toLowerCase().replaceAll('_', '-');
}

/** An id as UUID text, other bytes in hex. */
export function idText(bytes: Uint8Array): string {
  return bytes.length === 16 ? uuidOf(bytes) : Buffer.from(bytes).toString('hex');
}

/** `2026-11-30 21:19:36Z`; a dash for none. */
export function timeText(time: Timestamp | undefined): string {
  return time === undefined ? '-' : timestampDate(time).toISOString().replace('T', ' ').replace(/\.\d+/, '');
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

/** `10m`, `1h30m`, `0.25s`; a dash for none. */
export function durationText(time: Duration | undefined): string {
  if (time === undefined) return '-';
  let ms = Number(time.seconds) * 1_000 + time.nanos / 1e6;
  if (ms < 1_000) return `${Number(ms.toPrecision(3))}ms`;
  let text = '';
  for (const [unit, length] of UNITS) {
    const n = unit === 's' ? ms / length : Math.floor(ms / length);
    if (n > 0) text += `${Number(n.toFixed(3))}${unit}`;
    ms -= n * length;
  }
  return text;
}

/** `1.2 MB`: octets for a person. */
export function bytesText(bytes: bigint | number): string {
  let value = Number(bytes);
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  while (value >= 1_000 && units.length > 1) {
    value /= 1_000;
    units.shift();
  }
  return `${Number(value.toPrecision(3))} ${units[0]}`;
}
