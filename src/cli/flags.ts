/**
 * Flags that fill a request: each says where its value stands in the request's JSON, so that a
 * noun is a table of flags, and what a value may be is the service's to judge.
 *
 *   --sticky-idle 10m ─▶ { stickiness: { idleTtl: "600s" } }
 */
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import { type Command, InvalidArgumentError, Option } from 'commander';

/** What a flag takes. */
export interface FlagType {
  /** Its name in help, in angle brackets; empty for a switch. */
  readonly placeholder: string;
  /** The JSON of a text; throws an InvalidArgumentError for one that cannot be meant. `before`: of the same flag, given earlier. */
  readonly read: (text: string, before: JsonValue | undefined) => JsonValue;
  readonly choices?: readonly string[];
}

export interface Flag {
  /** `--sticky-idle`, or with a short form `-p, --pool`. */
  readonly name: string;
  readonly type: FlagType;
  readonly help: string;
  /** Where it stands in the request. */
  readonly path: readonly string[];
}

export const text: FlagType = { placeholder: '<text>', read: (value) => value };

export const count: FlagType = {
  placeholder: '<n>',
  read(value) {
    if (!/^-?\d{1,15}$/.test(value)) throw new InvalidArgumentError('It must be a whole number.');
    return Number(value);
  },
};

/** How many of something a person wants to see; throws an InvalidArgumentError for what is no number from 1. */
export function howMany(value: string): number {
  if (!/^[1-9]\d{0,14}$/.test(value)) throw new InvalidArgumentError('It must be a whole number from 1.');
  return Number(value);
}

const UNIT_SECONDS = { ms: 0.001, s: 1, m: 60, h: 3_600, d: 86_400 } as const;
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g;

/** `30s`, `1h30m`, `500ms`: as protobuf's JSON has durations. */
export const duration: FlagType = {
  placeholder: '<duration>',
  read(value) {
    const parts = [...value.matchAll(PART)];
    if (parts.length === 0 || parts.map(([part]) => part).join('') !== value) {
      throw new InvalidArgumentError('It must be a time such as 500ms, 30s, 10m, 2h or 1d12h.');
    }
    const ms = parts.reduce((sum, [, n, unit]) => sum + Number(n) * 1_000 * UNIT_SECONDS[unit as 's'], 0);
    return `${Math.round(ms) / 1_000}s`;
  },
};

/** A date, or a date and a time, as we print them too; of UTC where it names no zone. */
const TIME = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)\s?(Z|[+-]\d\d:\d\d)?)?$/i;

/** The time that a text names; null for none. `sign`: whether `30d` is so long from now, or ago. */
function timeOf(value: string, sign: 1 | -1): Date | null {
  if (/^\d+(?:ms|s|m|h|d)/.test(value)) {
    const ms = Number.parseFloat(duration.read(value, undefined) as string) * 1_000;
    return new Date(Date.now() + sign * ms);
  }
  const [, date, time = '00:00', zone = 'Z'] = TIME.exec(value) ?? [];
  const midnight = new Date(`${date}T00:00Z`);
  // 30 February would be a day of March.
  if (Number.isNaN(midnight.getTime()) || !midnight.toISOString().startsWith(date!)) return null;
  const at = new Date(`${date}T${time}${zone.toUpperCase()}`);
  return Number.isNaN(at.getTime()) ? null : at;
}

/** A moment: a date, a date and time, or a time from now (`30d`), as RFC 3339. */
export const moment: FlagType = {
  placeholder: '<time>',
  read(value) {
    const at = timeOf(value, 1);
    if (at === null) throw new InvalidArgumentError('It must be a time such as 2027-01-31, or 30d from now.');
    return at.toISOString();
  },
};

/** A moment that was: a date, a date and time, or so long ago (`7d`); throws an InvalidArgumentError for none. */
export function pastTime(value: string): Date {
  const at = timeOf(value, -1);
  if (at === null) throw new InvalidArgumentError('It must be a time such as 2026-11-01, or 7d ago.');
  return at;
}

/** One of the words that stand for the values of an enum: `round-robin` for `SELECTION_ROUND_ROBIN`. */
export function choice(prefix: string, words: readonly string[]): FlagType {
  return {
    placeholder: `<${words.join('|')}>`,
    choices: words,
    read(value) {
      if (!words.includes(value)) throw new InvalidArgumentError(`It must be one of ${words.join(', ')}.`);
      return `${prefix}_${value.toUpperCase().replaceAll('-', '_')}`;
    },
  };
}

/** Several, by commas or by the flag given again; an empty text empties the list. */
export const list: FlagType = {
  placeholder: '<a,b,…>',
  read: (value, before) => [
    ...((before as string[] | undefined) ?? []),
    ...value.split(',').filter((each) => each !== ''),
  ],
};

/** As `list`, of numbers. */
export const counts: FlagType = {
  placeholder: '<n,…>',
  read: (value, before) => [
    ...((before as number[] | undefined) ?? []),
    ...value.split(',').map((each) => count.read(each, undefined) as number),
  ],
};

/** `key=value`, several by commas or by the flag given again. */
export const labels: FlagType = {
  placeholder: '<key=value,…>',
  read(value, before) {
    const pairs = value.split(',').map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new InvalidArgumentError('It must be key=value.');
      return [pair.slice(0, at), pair.slice(at + 1)] as const;
    });
    return { ...(before as JsonObject | undefined), ...Object.fromEntries(pairs) };
  },
};

/** Given or not; with `--no-` before its name it says the opposite. */
export const onOff: FlagType = { placeholder: '', read: () => true };

/** An option whose value is that of a field. */
export class FieldOption extends Option {
  /** As the service names it when it refuses it. */
  readonly field: string;

  constructor(flags: string, help: string, path: readonly string[]) {
    super(flags, help);
    this.field = path.join('.');
  }
}

/** Adds the flags to a command's options. */
export function addFlags(command: Command, flags: readonly Flag[]): Command {
  for (const { name, type, help, path } of flags) {
    const option = new FieldOption(type.placeholder === '' ? name : `${name} ${type.placeholder}`, help, path);
    if (type.placeholder !== '') option.argParser((value, before: JsonValue | undefined) => type.read(value, before));
    command.addOption(option);
    if (type.placeholder === '') command.addOption(new Option(name.replace('--', '--no-')).hideHelp());
  }
  return command;
}

/** What was given, where it stands in the request. */
export function requestOf(command: Command, flags: readonly Flag[]): JsonObject {
  const request: JsonObject = {};
  for (const { name, path } of flags) {
    const option = command.options.find(({ long }) => long === name.split(' ').at(-1))!;
    const value = command.getOptionValue(option.attributeName()) as JsonValue | undefined;
    if (value !== undefined) put(request, path, value);
  }
  return request;
}

function put(into: JsonObject, [first, ...rest]: readonly string[], value: JsonValue): void {
  if (rest.length === 0) {
    into[first!] = value;
    return;
  }
  into[first!] ??= {};
  put(into[first!] as JsonObject, rest, value);
}
