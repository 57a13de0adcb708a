/**
 * Where settings come from: the command line, the environment, a YAML file.
 * Each reader answers the texts it found with their origin, and what is wrong
 * with names (values are `config.ts`'s matter). No message ever quotes the
 * value of a setting.
 */
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import type { YAMLMap } from 'yaml';
import { ALL_SETTINGS, environmentName, FILE_LISTS, type FileListName, flagName } from './settings.ts';

/** A setting's text, and where it was written, as a person would say it. */
export interface Given {
  readonly text: string;
  readonly origin: string;
}

export interface Source {
  readonly given: ReadonlyMap<string, Given>;
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/** A mapping in one of the file's lists. */
export interface FileRow {
  readonly origin: string;
  /** By name; all of them names that the list has. A list of values is comma-separated. */
  readonly fields: ReadonlyMap<string, Given>;
}

export interface FileSource extends Source {
  /** The lists that the file has. */
  readonly lists: ReadonlyMap<FileListName, readonly FileRow[]>;
}

/** Settings that are lists: a flag of theirs may be repeated. */
const LISTS = ['gatewayListen', 'gatewayTlsListen', 'dnsServers'];

/** Names of the environment that other commands use, or that the caller handles. */
const OTHER_ENVIRONMENT = ['SALLYPORT_CONFIG', 'SALLYPORT_URL', 'SALLYPORT_API_KEY'];
/** What Kubernetes puts into every pod of a namespace with a service called `sallyport`. */
const KUBERNETES_LINK = /^SALLYPORT_(?:SERVICE|PORT)(?:_|$)/;

/** Loaded when there is a file to read: most starts have none, and it would be a tenth of the memory at rest. */
function yaml(): typeof import('yaml') {
  return createRequire(import.meta.url)('yaml') as typeof import('yaml');
}

/** Reads `--name value`, `--name=value` and `--name` / `--no-name` for a switch; `--config` is the caller's. */
export function readFlags(argv: readonly string[]): Source & { readonly configFile: string | null } {
  const given = new Map<string, Given>();
  const problems: string[] = [];
  let configFile: string | null = null;
  const byFlag = new Map([...ALL_SETTINGS.keys()].map((name) => [flagName(name), name]));
  const isToggle = (name: string) => ALL_SETTINGS.get(name)!.type.phrase === 'true or false';
  const options = Object.fromEntries([
    ['config', { type: 'string' as const }],
    ...[...byFlag].map(([flag, name]) => [flag, { type: isToggle(name) ? ('boolean' as const) : ('string' as const) }]),
  ]);
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true });
  let unknownAt = -2;
  for (const token of tokens) {
    // What follows an unknown flag is taken to be its value: one mistake, one line.
    if (token.kind === 'positional' && token.index !== unknownAt + 1)
      problems.push(`${quote(token.value)}: unexpected argument`);
    if (token.kind !== 'option') continue;
    const origin = token.rawName;
    const negated = token.name.startsWith('no-') ? byFlag.get(token.name.slice(3)) : undefined;
    const name = token.name === 'config' ? 'config' : (byFlag.get(token.name) ?? negated);
    if (name === undefined || !origin.startsWith('--') || (negated !== undefined && !isToggle(negated))) {
      problems.push(`${quote(origin)}: unknown flag${suggestion(token.name, [...byFlag.keys(), 'config'], '--')}`);
      unknownAt = token.index;
      continue;
    }
    if (ALL_SETTINGS.get(name)?.secret) {
      const other = `${environmentName(name)} or --${flagName(name)}-file`;
      problems.push(`${origin}: a secret on the command line is open to every user of the machine; use ${other}`);
      continue;
    }
    const text = negated === undefined ? (token.value ?? (name !== 'config' && isToggle(name) ? 'true' : '')) : 'false';
    // A flag where a value should be means that the value was forgotten.
    if (text === '' || (token.inlineValue === false && text.startsWith('--')))
      problems.push(`${origin}: needs a value`);
    else if (name === 'config') configFile = text;
    else if (given.has(name) && !LISTS.includes(name)) problems.push(`${origin}: given twice`);
    else given.set(name, { text: given.has(name) ? `${given.get(name)!.text},${text}` : text, origin });
  }
  return { given, problems, warnings: [], configFile };
}

/** Reads `SALLYPORT_…`; empty means unset. A near miss of a known name is a problem, any other unknown name a warning. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): Source {
  const given = new Map<string, Given>();
  const problems: string[] = [];
  const warnings: string[] = [];
  const byName = new Map([...ALL_SETTINGS.keys()].map((name) => [environmentName(name), name]));
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith('SALLYPORT_') || !text) continue;
    const name = byName.get(variable);
    if (name !== undefined) given.set(name, { text, origin: variable });
    else if (!OTHER_ENVIRONMENT.includes(variable) && !KUBERNETES_LINK.test(variable)) {
      const near = suggestion(variable, [...byName.keys()], '');
      (near === '' ? warnings : problems).push(`${quote(variable)}: unknown environment name${near}`);
    }
  }
  return { given, problems, warnings };
}

/** Reads a YAML mapping of setting names to values, and of the names of lists to lists of mappings. */
export function readFileText(file: string, source: string): FileSource {
  const given = new Map<string, Given>();
  const lists = new Map<FileListName, readonly FileRow[]>();
  const problems: string[] = [];
  const { isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } = yaml();
  const lines = new LineCounter();
  // Pretty errors quote the line, which may hold a secret.
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number) => `${file}:${lines.linePos(offset).line}`;
  for (const error of document.errors) {
    problems.push(`${at(error.pos[0])}: not valid YAML (${error.code.toLowerCase().replaceAll('_', ' ')})`);
  }
  if (problems.length > 0 || document.contents === null) return { given, lists, problems, warnings: [] };
  if (!isMap(document.contents)) {
    return { given, lists, problems: [`${file}: must be a mapping of names to values`], warnings: [] };
  }
  const originOf = (node: unknown) => at(isNode(node) ? (node.range?.[0] ?? 0) : 0);
  const known = [...ALL_SETTINGS.keys(), ...Object.keys(FILE_LISTS)];
  for (const { key, value } of document.contents.items) {
    const origin = originOf(key);
    const name = isScalar(key) ? String(key.value) : '';
    if (isListName(name)) {
      const items: readonly unknown[] = isSeq(value) ? value.items : [];
      const rows = items.filter((item) => isMap(item)).map((row) => readRow(name, row, originOf, problems));
      if (rows.length === 0 || rows.length < items.length) problems.push(`${origin}: ${name} needs a list of mappings`);
      lists.set(name, rows);
    } else if (!ALL_SETTINGS.has(name)) {
      problems.push(`${origin}: unknown name ${quote(name)}${suggestion(name, known, '')}`);
    } else {
      const text = plainText(value, LISTS.includes(name));
      if (text === null) problems.push(`${origin}: ${name} needs one plain value`);
      else given.set(name, { text, origin });
    }
  }
  return { given, lists, problems, warnings: [] };
}

function readRow(list: FileListName, row: YAMLMap, originOf: (node: unknown) => string, problems: string[]): FileRow {
  const { isScalar } = yaml();
  const fields = new Map<string, Given>();
  const known = Object.keys(FILE_LISTS[list].fields);
  for (const { key, value } of row.items) {
    const origin = originOf(key);
    const name = isScalar(key) ? String(key.value) : '';
    const text = plainText(value, name === 'from');
    if (!known.includes(name)) problems.push(`${origin}: ${list} have no ${quote(name)}${suggestion(name, known, '')}`);
    else if (text === null) problems.push(`${origin}: ${name} needs one plain value`);
    else fields.set(name, { text, origin });
  }
  return { origin: originOf(row.items[0]?.key ?? row), fields };
}

function isListName(name: string): name is FileListName {
  return Object.hasOwn(FILE_LISTS, name);
}

/** The text of a plain value, or of a list of such with commas in between; null for anything else. */
function plainText(node: unknown, mayBeList: boolean): string | null {
  const { isScalar, isSeq } = yaml();
  const parts = mayBeList && isSeq(node) ? node.items : [node];
  const texts = parts.map((part) => (isScalar(part) && part.value !== null ? String(part.source ?? part.value) : null));
  return texts.length === 0 || texts.includes(null) ? null : texts.join(',');
}

/** Text from outside, fit for one line of a terminal. */
export function quote(text: string): string {
  const short = text.length > 64 ? `${text.slice(0, 64)}…` : text;
  return JSON.stringify(short).replaceAll(/[\u007f-\u009f\u2028\u2029]/g, '?');
}

function suggestion(name: string, known: readonly string[], prefix: string): string {
  const allowed = Math.max(1, Math.min(3, Math.floor(name.length / 4)));
  const [best] = known
    .map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
    .filter(({ distance }) => distance <= allowed)
    .sort((a, b) => a.distance - b.distance);
  return best ? `; did you mean ${prefix}${best.candidate}?` : '';
}

/** Levenshtein's distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
