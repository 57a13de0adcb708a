/**
 * The source as the architecture test sees it: every file with its imports.
 * Read by expressions, not by a compiler: the tree is formatted, so that an
 * import statement always begins a line. Comments and strings are blanked
 * before code is searched.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface Import {
  /** As written: `node:net`, `@scope/name/path`, `../a.ts`. */
  readonly specifier: string;
  /** Path from the root for a relative import, else the bare package or `node:` name. */
  readonly target: string;
  readonly typeOnly: boolean;
}

export interface SourceFile {
  /** From the root, with forward slashes. */
  readonly path: string;
  readonly lines: number;
  readonly imports: readonly Import[];
  /** The text without comments and without the content of strings. */
  readonly code: string;
}

/** Whether a file or folder of this path exists in the project. */
export function exists(path: string): boolean {
  return existsSync(join(ROOT, path));
}

/** Every TypeScript file below the folders. */
export function readSources(folders: readonly string[]): SourceFile[] {
  return folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.tsx?$/.test(name))
      .map((name) => parse(posix.join(folder, name.replaceAll('\\', '/')))),
  );
}

function parse(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const statements = /^(?:import|export)\s+(type\s)?(?:([^'";=()]*?)\s*\bfrom\s+)?'([^'\n]+)'/gm;
  const dynamic = /\bimport\(\s*'([^'\n]+)'\s*\)/g;
  const imports = [...text.matchAll(statements)].map(([, type, names, specifier]) =>
    edge(path, specifier!, type !== undefined || onlyTypes(names ?? '')),
  );
  for (const [, specifier] of text.matchAll(dynamic)) imports.push(edge(path, specifier!, false));
  return { path, lines: text.split('\n').length - 1, imports, code: blank(text) };
}

/** `{ type A, type B }` imports no value, and is erased whole under `verbatimModuleSyntax` but for its side effects. */
function onlyTypes(names: string): boolean {
  const inner = /^\{([\s\S]*)\}$/.exec(names.trim())?.[1];
  if (inner === undefined) return false;
  const parts = inner.split(',').map((part) => part.trim());
  return parts.filter((part) => part !== '').every((part) => part.startsWith('type '));
}

function edge(path: string, specifier: string, typeOnly: boolean): Import {
  if (specifier.startsWith('.')) return { specifier, target: posix.join(posix.dirname(path), specifier), typeOnly };
  const parts = specifier.split('/');
  const target = specifier.startsWith('node:')
    ? specifier
    : parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
  return { specifier, target, typeOnly };
}

function blank(text: string): string {
  const tokens = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g;
  return text.replace(tokens, (token) => (/^['"]/.test(token) ? "''" : ''));
}

/** The first cycle of value imports, as the paths along it; null when there is none. */
export function findCycle(files: readonly SourceFile[]): string[] | null {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): string[] | null => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path];
    if (done.has(path)) return null;
    for (const { target, typeOnly } of byPath.get(path)?.imports ?? []) {
      const cycle = typeOnly ? null : visit(target, [...trail, path]);
      if (cycle) return cycle;
    }
    done.add(path);
    return null;
  };
  for (const { path } of files) {
    const cycle = visit(path, []);
    if (cycle) return cycle;
  }
  return null;
}
