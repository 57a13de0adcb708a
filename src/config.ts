/**
 * Loads the configuration: flags over environment over file over defaults.
 * Called by `main.ts` once; what it answers never changes. Every mistake is
 * collected, one line each, before anything starts.
 *
 * Invariant: no problem, warning or effective value carries a secret.
 */
import { resolve } from 'node:path';
import { parseAuthorities } from './authorities.ts';
import { type FileSource, type Given, quote, readEnvironment, readFileText, readFlags } from './config-sources.ts';
import type { ClientRange } from './core/entrance.ts';
import type { GatewayLimits } from './core/limits.ts';
import type { LogLevel } from './core/log.ts';
import {
  type ConfiguredEntrance,
  type Entrances,
  formatClientRange,
  formatEntrance,
  readEntrances,
} from './entrances.ts';
import { formatListen, isLoopback } from './setting-types.ts';
import {
  ALL_SETTINGS,
  type DefaultContext,
  environmentName,
  flagName,
  LIMIT_SETTINGS,
  type SettingName,
  type SettingValues,
} from './settings.ts';

/** Where to listen: an address or name without brackets, and a port (0 asks the system for a free one). */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** The whole configuration, checked: plain data that crosses to the control thread as it is. */
export interface Config {
  /** Absolute path. */
  readonly dataDir: string;
  /** Absolute path of the SQLite file. */
  readonly databasePath: string;
  readonly controlListen: ListenAddress;
  /** Names that a call may have in Host, besides those of loopback and of `controlListen`; lower case. */
  readonly controlHosts: readonly string[];
  /** Where the gateway listens, each with how clients are treated that come in there. */
  readonly entrances: readonly ConfiguredEntrance[];
  readonly clientRanges: readonly ClientRange[];
  /** The key itself where it was given, else null; `file` is where it is read from, or made. A secret: never log it. */
  readonly masterKey: {
    readonly value: string | null;
    readonly file: string;
    /** The key before it, in the same way; null when none is given. */
    readonly previous: { readonly value: string | null; readonly file: string | null } | null;
  };
  /** The first API key in place of a random one. A secret: never log it. */
  readonly bootstrapKey: string | null;
  readonly logLevel: LogLevel;
  readonly logFormat: 'pretty' | 'json';
  /** Whether each finished request leaves a line. */
  readonly accessLog: boolean;
  readonly drainGraceMs: number;
  readonly drainDelayMs: number;
  /** Addresses with or without port, IPv6 in brackets; null: the system's. */
  readonly dnsServers: readonly string[] | null;
  readonly upstreamsAllowPrivate: boolean;
  /** Certificates in PEM of authorities that `https` upstreams may have, next to the runtime's own. */
  readonly upstreamAuthorities: readonly string[];
  /** RPCs a second for one API key. */
  readonly rpcRate: number;
  readonly rpcBurst: number;
  /** Account interfaces of vendors, each URL ending with a slash, and for how long an answer is waited. */
  readonly webshareApiUrl: string;
  readonly proxylineApiUrl: string;
  readonly vendorTimeoutMs: number;
  readonly limits: GatewayLimits;
}

export interface ConfigInputs {
  /** Arguments after the command. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Relative paths, in any source, start here. */
  readonly cwd: string;
  /** Reads a text file; throws as `fs.readFileSync` does. */
  readonly readFile: (path: string) => string;
  /** Whether standard output is a terminal; decides the default log format. */
  readonly terminal?: boolean;
}

/** One row of `sallyport config`: secrets redacted. */
export interface EffectiveSetting {
  readonly name: string;
  readonly value: string;
  /** `default`, a flag, an environment name, or `file:line`. */
  readonly origin: string;
}

export type LoadedConfig =
  | {
      readonly ok: true;
      readonly config: Config;
      readonly effective: readonly EffectiveSetting[];
      readonly warnings: readonly string[];
    }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Reads every source; answers the configuration, or all that is wrong with it. */
export function loadConfig(inputs: ConfigInputs): LoadedConfig {
  const flags = readFlags(inputs.argv);
  const environment = readEnvironment(inputs.env);
  const file = readConfigFile(flags.configFile ?? inputs.env.SALLYPORT_CONFIG ?? null, inputs);
  const problems = [...flags.problems, ...environment.problems, ...file.problems];
  const given = new Map([...file.given, ...environment.given, ...flags.given]);
  readSecretFile(given, 'bootstrapKey', inputs, problems);
  for (const name of ['masterKey', 'masterKeyPrevious'] as const) {
    const file = given.get(`${name}File`);
    if (file !== undefined && given.has(name)) {
      const which = name === 'masterKey' ? 'master key' : 'previous master key';
      problems.push(`${file.origin}: the ${which} is given twice, by value and by file`);
    }
  }

  const dataDir = resolve(inputs.cwd, given.get('dataDir')?.text ?? './data');
  const context: DefaultContext = { dataDir, terminal: inputs.terminal ?? false };
  const values = new Map<string, unknown>();
  const effective: EffectiveSetting[] = [];
  for (const [name, row] of ALL_SETTINGS) {
    const fallback = typeof row.fallback === 'function' ? row.fallback(context) : row.fallback;
    const { text, origin } = given.get(name) ?? { text: fallback, origin: 'default' };
    const value = text === null ? null : row.type.parse(text.trim());
    if (value === undefined) {
      problems.push(
        `${origin}: ${row.secret || name === 'databaseUrl' ? 'this' : quote(text!)} is not ${row.type.phrase}`,
      );
    }
    values.set(name, value);
    const shown = text === null ? '(not set)' : row.secret ? '(set, hidden)' : text;
    const isReplaced = name === 'gatewayListen' && file.lists.has('listeners');
    effective.push({ name: environmentName(name), value: isReplaced ? '(see listeners)' : shown, origin });
  }

  const read = Object.fromEntries(values) as unknown as SettingValues;
  const doors = readEntrances({ read, given, lists: file.lists, cwd: inputs.cwd });
  const upstreamAuthorities = readAuthorities(given.get('upstreamCaFile'), inputs, problems);
  problems.push(...doors.problems, ...checkListeners(read, given, doors));
  if (problems.length > 0) return { ok: false, problems };
  return {
    ok: true,
    config: { ...assemble(read, values, doors, { dataDir, cwd: inputs.cwd }), upstreamAuthorities },
    effective: [...effective, ...effectiveLists(file, doors)],
    warnings: environment.warnings,
  };
}

/** A row of each mapping in the file. */
function effectiveLists({ lists }: FileSource, { entrances, clientRanges }: Entrances): EffectiveSetting[] {
  const listeners = lists.has('listeners') ? entrances : [];
  return [
    ...listeners.map(({ value, origin }) => ({ name: 'listeners', value: formatEntrance(value), origin })),
    ...clientRanges.map(({ value, origin }) => ({ name: 'clientRanges', value: formatClientRange(value), origin })),
  ];
}

function assemble(
  read: SettingValues,
  values: ReadonlyMap<string, unknown>,
  doors: Entrances,
  { dataDir, cwd }: { readonly dataDir: string; readonly cwd: string },
): Omit<Config, 'upstreamAuthorities'> {
  const entrances = doors.entrances.map(({ value }) => value);
  const limits = [...LIMIT_SETTINGS].map(([name, { limit }]) => [limit, values.get(name) as number]);
  return {
    dataDir,
    databasePath: resolve(cwd, read.databaseUrl!.slice('sqlite:'.length)),
    controlListen: read.controlListen!,
    controlHosts: read.controlHosts ?? [],
    entrances,
    clientRanges: doors.clientRanges.map(({ value }) => value),
    masterKey: {
      value: read.masterKey,
      file: resolve(cwd, read.masterKeyFile!),
      previous: previousKey(read, cwd),
    },
    bootstrapKey: read.bootstrapKey,
    logLevel: read.logLevel!,
    logFormat: read.logFormat!,
    accessLog: read.accessLog!,
    drainGraceMs: read.drainGrace!,
    drainDelayMs: read.drainDelay!,
    dnsServers: read.dnsServers,
    // Whoever can reach the listeners from elsewhere is not to reach what only this machine can.
    upstreamsAllowPrivate: read.upstreamsAllowPrivate ?? [read.controlListen!, ...entrances].every(isLoopback),
    rpcRate: read.rpcRate!,
    rpcBurst: read.rpcBurst!,
    webshareApiUrl: read.webshareApiUrl!,
    proxylineApiUrl: read.proxylineApiUrl!,
    vendorTimeoutMs: read.vendorTimeout!,
    limits: Object.fromEntries(limits) as GatewayLimits,
  };
}

function previousKey(read: SettingValues, cwd: string): Config['masterKey']['previous'] {
  const { masterKeyPrevious: value, masterKeyPreviousFile: file } = read;
  return value === null && file === null ? null : { value, file: file === null ? null : resolve(cwd, file) };
}

function readConfigFile(path: string | null, { cwd, readFile }: ConfigInputs): FileSource {
  const nothing: FileSource = { given: new Map(), lists: new Map(), problems: [], warnings: [] };
  if (path === null || path === '') return nothing;
  try {
    return readFileText(path, readFile(resolve(cwd, path)));
  } catch (error) {
    return { ...nothing, problems: [`${quote(path)}: the configuration file cannot be read (${errorCode(error)})`] };
  }
}

/** Replaces `<name>File` by the content of that file; the content, trimmed, then counts as the value. */
function readSecretFile(
  given: Map<string, Given>,
  name: SettingName,
  { cwd, readFile }: ConfigInputs,
  problems: string[],
): void {
  const file = given.get(`${name}File`);
  if (!file) return;
  if (given.has(name)) {
    problems.push(`${file.origin}: --${flagName(name)}-file and ${environmentName(name)} exclude each other`);
    return;
  }
  try {
    given.set(name, { text: readFile(resolve(cwd, file.text)), origin: file.origin });
  } catch (error) {
    problems.push(`${file.origin}: ${quote(file.text)} cannot be read (${errorCode(error)})`);
  }
}

/** The certificates of the file, which must hold one at least. */
function readAuthorities(
  file: Given | undefined,
  { cwd, readFile }: ConfigInputs,
  problems: string[],
): readonly string[] {
  if (file === undefined) return [];
  try {
    const found = parseAuthorities(readFile(resolve(cwd, file.text)));
    if (found !== null) return found;
    problems.push(`${file.origin}: ${quote(file.text)} does not hold certificates in PEM`);
  } catch (error) {
    problems.push(`${file.origin}: ${quote(file.text)} cannot be read (${errorCode(error)})`);
  }
  return [];
}

/** Closed by default: an address that others can reach needs the operator's word; two listeners need two ports. */
function checkListeners(read: SettingValues, given: ReadonlyMap<string, Given>, { entrances }: Entrances): string[] {
  const problems: string[] = [];
  const taken = new Set<string>();
  const control = given.get('controlListen')?.origin ?? environmentName('controlListen');
  const listeners = [...(read.controlListen ? [{ origin: control, value: read.controlListen }] : []), ...entrances];
  for (const { origin, value: address } of listeners) {
    const text = formatListen(address);
    if (!read.allowRemote && !isLoopback(address)) {
      problems.push(`${origin}: other machines can reach ${text}; if that is meant, set SALLYPORT_ALLOW_REMOTE=true`);
    }
    if (address.port !== 0 && taken.has(text)) problems.push(`${origin}: ${text} is listened on twice`);
    taken.add(text);
  }
  return problems;
}

function errorCode(error: unknown): string {
  return (error as NodeJS.ErrnoException | null)?.code ?? 'unreadable';
}
