/**
 * Where clients come in, and who they are that send no credentials: made from the
 * settings, or from the lists `listeners` and `clientRanges` of the file. Called by
 * `config.ts`; every mistake is a line, with the place where it was written.
 *
 * Invariant: no listener that others can reach gives an identity to whoever connects.
 */
import { resolve } from 'node:path';
import { type FileRow, type FileSource, type Given, quote } from './config-sources.ts';
import type { Binding, ClientRange, Entrance } from './core/entrance.ts';
import { formatListen, isLoopback } from './setting-types.ts';
import { environmentName, FILE_LISTS, type FieldRow, type SettingValues } from './settings.ts';

/** Absolute paths. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** An entrance whose certificate is not read yet. */
export type ConfiguredEntrance = Omit<Entrance, 'tls'> & { readonly tls: TlsFiles | null };

/** Something of the configuration, and where it was written. */
export interface Placed<T> {
  readonly value: T;
  readonly origin: string;
}

export interface Entrances {
  readonly entrances: readonly Placed<ConfiguredEntrance>[];
  readonly clientRanges: readonly Placed<ClientRange>[];
  readonly problems: readonly string[];
}

interface Sources {
  readonly read: SettingValues;
  readonly given: ReadonlyMap<string, Given>;
  readonly lists: FileSource['lists'];
  /** Relative paths start here. */
  readonly cwd: string;
}

/** Reads them all; entrances with a mistake are left out. */
export function readEntrances(sources: Sources): Entrances {
  const problems: string[] = [];
  const rows = sources.lists.get('listeners');
  const entrances =
    rows === undefined ? fromSettings(sources, problems) : rows.flatMap((row) => listener(row, sources, problems));
  if (rows !== undefined) problems.push(...replaced(sources.given));
  const clientRanges = (sources.lists.get('clientRanges') ?? []).flatMap((row) => clientRange(row, problems));
  const seen = new Set<string>();
  for (const { value, origin } of clientRanges) {
    if (seen.has(value.range)) problems.push(`${origin}: the range ${value.range} is given twice`);
    seen.add(value.range);
  }
  return { entrances, clientRanges, problems };
}

function fromSettings({ read, given, cwd }: Sources, problems: string[]): Placed<ConfiguredEntrance>[] {
  const { gatewayTlsListen, gatewayTlsCertFile: certFile, gatewayTlsKeyFile: keyFile } = read;
  const errorStatus = read.errorStatus ?? 'standard';
  const originOf = (name: string) => given.get(name)?.origin ?? environmentName(name);
  const entrance = (name: string, tls: TlsFiles | null) =>
    (read[name as 'gatewayListen'] ?? []).map((address) => ({
      value: { ...address, tls, errorStatus, binding: null },
      origin: originOf(name),
    }));
  const files = tlsFiles(certFile, keyFile, cwd);
  const names = ['gatewayTlsCertFile', 'gatewayTlsKeyFile'];
  for (const name of gatewayTlsListen === null ? [] : names.filter((each) => !given.has(each))) {
    problems.push(`${originOf('gatewayTlsListen')}: TLS needs ${environmentName(name)}`);
  }
  for (const name of gatewayTlsListen === null ? names.filter((each) => given.has(each)) : []) {
    problems.push(`${originOf(name)}: there is no ${environmentName('gatewayTlsListen')} that it is for`);
  }
  return [...entrance('gatewayListen', null), ...entrance('gatewayTlsListen', files)];
}

/** Settings that the list of listeners takes the place of. */
function replaced(given: ReadonlyMap<string, Given>): string[] {
  return ['gatewayListen', 'gatewayTlsListen', 'gatewayTlsCertFile', 'gatewayTlsKeyFile'].flatMap((name) => {
    const found = given.get(name);
    return found === undefined ? [] : [`${found.origin}: ${name} and listeners exclude each other`];
  });
}

function listener(row: FileRow, { read, cwd }: Sources, problems: string[]): Placed<ConfiguredEntrance>[] {
  const values = fieldsOf(FILE_LISTS.listeners.fields, row, ['listen'], problems);
  const { listen, apiKeyId, selector, from, tlsCertFile, tlsKeyFile } = values;
  requireBoth(row, 'tlsCertFile', 'tlsKeyFile', problems);
  requireBoth(row, 'apiKeyId', 'selector', problems);
  const isBound = row.fields.has('apiKeyId') || row.fields.has('selector');
  if (row.fields.has('from') && !isBound)
    problems.push(`${row.fields.get('from')!.origin}: from needs apiKeyId and selector`);
  if (listen === undefined) return [];
  if (isBound && !row.fields.has('from') && !isLoopback(listen)) {
    const text = formatListen(listen);
    problems.push(
      `${row.origin}: other machines can reach ${text}, and it asks for no credentials: say in "from" whom it is for`,
    );
  }
  const errorStatus = values.errorStatus ?? read.errorStatus ?? 'standard';
  const binding = apiKeyId === undefined || selector === undefined ? null : { apiKeyId, selector, from: from ?? [] };
  const tls = tlsFiles(tlsCertFile ?? null, tlsKeyFile ?? null, cwd);
  return [{ value: { ...listen, tls, errorStatus, binding }, origin: row.origin }];
}

function clientRange(row: FileRow, problems: string[]): Placed<ClientRange>[] {
  const { fields } = FILE_LISTS.clientRanges;
  const { range, apiKeyId, selector } = fieldsOf(fields, row, ['range', 'apiKeyId', 'selector'], problems);
  if (range === undefined || apiKeyId === undefined || selector === undefined) return [];
  return [{ value: { range, apiKeyId, selector }, origin: row.origin }];
}

type Table = Readonly<Record<string, FieldRow<unknown>>>;
type ValuesOf<T extends Table> = { readonly [name in keyof T]?: T[name] extends FieldRow<infer V> ? V : never };

/** The fields of a row as read; those that are missing or wrong are left out, and told. */
function fieldsOf<T extends Table>(
  table: T,
  row: FileRow,
  required: readonly string[],
  problems: string[],
): ValuesOf<T> {
  const values: Record<string, unknown> = {};
  for (const name of required) if (!row.fields.has(name)) problems.push(`${row.origin}: needs ${name}`);
  for (const [name, { text, origin }] of row.fields) {
    const { type, unquoted } = table[name]!;
    const value = type.parse(text.trim());
    if (value === undefined) problems.push(`${origin}: ${unquoted ? 'this' : quote(text)} is not ${type.phrase}`);
    else values[name] = value;
  }
  return values as ValuesOf<T>;
}

function requireBoth(row: FileRow, one: string, other: string, problems: string[]): void {
  for (const [has, lacks] of [
    [one, other],
    [other, one],
  ] as const) {
    if (row.fields.has(has) && !row.fields.has(lacks))
      problems.push(`${row.fields.get(has)!.origin}: ${has} needs ${lacks}`);
  }
}

function tlsFiles(certFile: string | null, keyFile: string | null, cwd: string): TlsFiles | null {
  return certFile === null || keyFile === null
    ? null
    : { certFile: resolve(cwd, certFile), keyFile: resolve(cwd, keyFile) };
}

/** An entrance on one line, as `sallyport config` shows it. */
export function formatEntrance({ tls, errorStatus, binding, ...address }: ConfiguredEntrance): string {
  const parts = [formatListen(address)];
  if (tls !== null) parts.push(`tlsCertFile=${tls.certFile}`, `tlsKeyFile=${tls.keyFile}`);
  if (binding !== null) parts.push(formatBinding(binding));
  if (binding !== null && binding.from.length > 0) parts.push(`from=${binding.from.join(',')}`);
  return [...parts, `errorStatus=${errorStatus}`].join(' ');
}

/** A range on one line. */
export function formatClientRange(range: ClientRange): string {
  return `${range.range} ${formatBinding(range)}`;
}

function formatBinding({ apiKeyId, selector }: Binding): string {
  return `apiKeyId=${apiKeyId} selector=${selector}`;
}
