/**
 * Who may import whom, and what a file may be called: `docs/decisions/0006-layout.md`
 * as data, each rule with its reason. A rule that names a path which is gone fails.
 */
import { describe, expect, it } from 'vitest';
import { exists, findCycle, readSources, type SourceFile } from './helpers/source-tree.ts';

interface Rule {
  /** Files that the rule binds: paths or folders. */
  readonly of: readonly string[];
  readonly but?: readonly string[];
  /** What they must not import: paths, folders, packages, `node:` modules; `*` stands for every package. */
  readonly never: readonly string[];
  readonly unless?: readonly string[];
  readonly reason: string;
}

const SOCKETS_AND_FILES = [
  'node:net',
  'node:tls',
  'node:dns',
  'node:dgram',
  'node:http',
  'node:https',
  'node:http2',
  'node:fs',
  'node:fs/promises',
  'node:child_process',
  'node:worker_threads',
];

const RULES: readonly Rule[] = [
  {
    of: ['src/core'],
    never: ['control', 'gateway', 'src'],
    unless: ['src/core'],
    reason: 'the core is what both planes rest on; it knows neither, nor the process',
  },
  {
    of: ['src/core'],
    never: [...SOCKETS_AND_FILES, '*'],
    unless: ['lru-cache'],
    reason: 'the core does no I/O, so that each of its files is tested without any',
  },
  { of: ['gateway'], never: ['control'], reason: 'the planes meet in src/core only' },
  { of: ['control'], never: ['gateway'], reason: 'the planes meet in src/core only' },
  {
    of: ['gateway'],
    never: ['src'],
    unless: ['src/core'],
    reason: 'what the gateway needs of the process is passed in by the composition root',
  },
  {
    of: ['control'],
    but: ['control/worker.ts'],
    never: ['src'],
    unless: ['src/core'],
    reason: 'what the control plane needs of the process is passed in; its thread entry alone builds a log and a link',
  },
  {
    of: ['gateway'],
    never: ['better-sqlite3', 'kysely', 'fastify', '@bufbuild/protobuf', '@connectrpc/connect', 'prom-client', 'pino'],
    reason: 'the hot path has no SQL, no protobuf and no web framework',
  },
  {
    of: ['src', 'control', 'gateway'],
    but: ['control/store/database.ts'],
    never: ['better-sqlite3'],
    reason: 'one file opens the database, so that its pragmas and its failures have one place',
  },
  {
    of: ['src', 'control', 'gateway'],
    but: ['gateway/exits'],
    never: ['proxy-chain'],
    reason: 'proxy-chain is an upstream of ours, never part of the request path',
  },
  {
    of: ['src', 'control', 'gateway'],
    but: ['src/logging.ts'],
    never: ['pino'],
    reason: 'everything else logs through the interface of src/core/log.ts',
  },
  {
    of: ['src'],
    but: ['src/app.ts', 'src/offline.ts'],
    never: ['control', 'gateway'],
    unless: ['control/ports.ts'],
    reason: 'the composition root is the only importer of both planes',
  },
  {
    of: ['src/offline.ts'],
    never: ['gateway'],
    reason: 'what works on a data directory at rest needs the store and its keys, and no sockets',
  },
  {
    of: ['client'],
    never: ['src', 'control', 'gateway', '*'],
    unless: ['control/gen', '@bufbuild/protobuf', '@connectrpc/connect', '@connectrpc/connect-node', 'papaparse'],
    reason: 'programs of others load it: the contract, a transport and lists of upstreams, nothing of the service',
  },
  {
    of: ['console'],
    never: ['src', 'control', 'gateway', 'client/client.ts', ...SOCKETS_AND_FILES, '@connectrpc/connect-node'],
    unless: ['control/gen', 'src/core/advice.ts', 'src/core/cause.ts'],
    reason: 'it runs in a browser, over the same API as everybody: the contract, and what is known of causes',
  },
  {
    of: ['src', 'control', 'gateway', 'client'],
    never: ['console'],
    reason: 'the console is a client of the service, which only hands out its files',
  },
];

const FORBIDDEN_NAMES =
  /^(?:utils?|helpers?|common|misc|types?|index|manager|handler|base)(?:\.|$)|-(?:utils?|helpers?|manager|handler)\./;
const MAX_LINES = 400;
/** What a thread runs: evaluated once, so that its state is the thread's own. */
const ENTRIES = ['src/main.ts', 'control/worker.ts', 'control/store/copy-check-worker.ts'];
/** The one file that may export what others own: what a program of someone else imports. */
const PACKAGE_ENTRY = 'client/client.ts';

const files = readSources(['src', 'control', 'gateway', 'client', 'console']);
const written = files.filter(({ path }) => !path.startsWith('control/gen/'));
/** What tries and measures the product is bound by its length alone. */
const around = readSources(['test', 'bench', 'scripts']);

const isWithin = (path: string, place: string) => path === place || path.startsWith(`${place}/`);
const isPackage = (target: string) =>
  !target.startsWith('node:') && !/^(?:src|control|gateway|client|console)\//.test(target);

function offences({ of, but = [], never, unless = [] }: Rule): string[] {
  const bound = files.filter(({ path }) => of.some((p) => isWithin(path, p)) && !but.some((p) => isWithin(path, p)));
  return bound.flatMap(({ path, imports }) =>
    imports
      .filter(({ target }) => never.some((place) => isWithin(target, place) || (place === '*' && isPackage(target))))
      .filter(({ target }) => !unless.some((place) => isWithin(target, place)))
      .map(({ specifier }) => `${path} imports ${specifier}`),
  );
}

/** Files whose code, comments and strings aside, matches. */
function withCode(pattern: RegExp, among: readonly SourceFile[] = written): string[] {
  return among.filter(({ code }) => pattern.test(code)).map(({ path }) => path);
}

describe('imports', () => {
  it.each(RULES)('$of never import $never: $reason', (rule) => {
    expect(offences(rule)).toEqual([]);
  });

  it('each rule names places that exist', () => {
    const named = RULES.flatMap(({ of, but = [], never, unless = [] }) => [...of, ...but, ...never, ...unless]);
    const places = named.filter((place) => /^(?:src|control|gateway|client)(?:\/|$)/.test(place));
    expect(places.filter((place) => !exists(place))).toEqual([]);
  });

  it('relative imports name a file with its extension', () => {
    const broken = files.flatMap(({ path, imports }) =>
      imports
        .filter(
          ({ specifier, target }) => specifier.startsWith('.') && !(/\.(?:tsx?|json)$/.test(target) && exists(target)),
        )
        .map(({ specifier }) => `${path} imports ${specifier}`),
    );
    expect(broken).toEqual([]);
  });

  it('values are never imported in a circle', () => {
    expect(findCycle(files)).toBeNull();
  });

  it('only the process itself exits, prints or listens to signals', () => {
    const process = /\bprocess\.(?:exit|abort|kill|on|once)\s*\(|\bconsole\./;
    expect(withCode(process)).toEqual(['src/main.ts']);
  });
});

describe('files', () => {
  it('are named for what they own, in kebab-case', () => {
    const names = written.flatMap(({ path }) => path.split('/').map((name) => ({ path, name })));
    const wrong = names.filter(
      ({ name }) => !/^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.tsx?)?$/.test(name) || FORBIDDEN_NAMES.test(name),
    );
    expect(wrong).toEqual([]);
  });

  it(`have at most ${MAX_LINES} lines`, () => {
    const long = [...written, ...around].filter(({ lines }) => lines > MAX_LINES);
    expect(long.map(({ path, lines }) => `${path}: ${lines}`)).toEqual([]);
  });

  it('export by name, re-export nothing, and keep no mutable state of a module', () => {
    expect(withCode(/^export default\b/m)).toEqual([]);
    expect(withCode(/^export\s+(?:\*|(?:type\s+)?\{[^}]*\})\s*(?:as\s+\w+\s+)?from\b/m)).toEqual([PACKAGE_ENTRY]);
    const modules = written.filter(({ path }) => !ENTRIES.includes(path));
    expect(withCode(/^(?:export\s+)?(?:let|var)\s/m, modules)).toEqual([]);
  });

  it('use syntax that the runtime erases', () => {
    expect(withCode(/^(?:export\s+)?(?:const\s+)?enum\s|^(?:export\s+)?namespace\s/m)).toEqual([]);
  });
});
