/** `docs/clients.md`, run as a reader would: every block is pasted, with the reader's own pool, key and port. */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Server } from 'proxy-chain';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findProgram } from '../../../bench/lib/stage.ts';
import { CLIENTS, goProgram } from './clients.ts';
import { documentedGaps, SNIPPETS, type Snippet } from './page.ts';
import { Stage } from './stage.ts';

const RUN_MS = 120_000;
const ROOT = new URL('../../../', import.meta.url).pathname;

let stage: Stage;
let home: string;
/** Knows where example.com is: on this machine. */
let upstream: Server;
/** `host:port` of what it was asked for. */
const asked: string[] = [];

beforeAll(async () => {
  stage = await Stage.open();
  home = join(stage.folder, 'home');
  mkdirSync(home);
  // wget takes its authorities from nowhere but its own file.
  writeFileSync(join(home, '.wgetrc'), `ca_certificate = ${authorityFile()}\n`);
  upstream = new Server({
    host: '127.0.0.1',
    port: 0,
    prepareRequestFunction: ({ hostname, port }) => {
      asked.push(`${hostname}:${port}`);
      return { dnsLookup: here as never };
    },
  });
  await upstream.listen();
  const { product } = stage;
  const { pool } = await product.proxies('CreatePool', { name: 'page' });
  const endpoint = { scheme: 'http', host: '127.0.0.1', port: upstream.port };
  const { providerId } = product.bootstrap;
  await product.proxies('CreateSession', { poolId: pool.id, providerId, token: 'page', ...endpoint });
});
afterAll(async () => {
  await stage?.close();
  await upstream?.close(true);
});

type Found = (error: null, address: unknown, family?: number) => void;

function authorityFile(): string {
  return stage.authority.environment.SSL_CERT_FILE!;
}

/** Whatever the name: this machine. */
function here(_name: string, options: { all?: boolean }, done: Found): void {
  if (options.all === true) done(null, [{ address: '127.0.0.1', family: 4 }]);
  else done(null, '127.0.0.1', 4);
}

/** What the reader replaces: pool, key, ports, the authority's file; and example.com is at a port of this run. */
function fillIn(text: string, cell: string): string {
  const { product, targets, tlsPort } = stage;
  const at = (url: string): string => `example.com:${new URL(url).port}/hello/${cell}`;
  return text
    .replaceAll(/\bPOOL\b/g, 'page')
    .replaceAll(/\bKEY\b/g, product.bootstrap.apiKey)
    .replaceAll(/\b3128\b/g, String(product.gatewayPort))
    .replaceAll(/\b3129\b/g, String(tlsPort))
    .replaceAll('gateway-ca.pem', authorityFile())
    .replaceAll('https://example.com/', `https://${at(targets.https)}`)
    .replaceAll('http://example.com/', `http://${at(targets.http)}`);
}

/** How a block of each language is run; the file is there for those that want one. */
const RUNNERS: Record<string, { file: string; command(path: string): [string, ...string[]] }> = {
  sh: { file: 'a.sh', command: (path) => ['bash', '-eu', path] },
  python: { file: 'a.py', command: (path) => ['/usr/bin/python3', path] },
  // Its imports are found from where it lies.
  js: { file: 'a.mjs', command: () => [process.execPath, '--input-type=module', '-'] },
  java: { file: 'Example.java', command: (path) => ['java', path] },
  go: { file: 'main.go', command: (path) => [goProgram ?? 'go', 'run', path] },
  perl: { file: 'a.pl', command: (path) => ['perl', path] },
  ruby: { file: 'a.rb', command: (path) => ['ruby', path] },
  // PHP takes no authorities from the environment.
  php: { file: 'a.php', command: (path) => ['php', '-d', `curl.cainfo=${authorityFile()}`, path] },
};

async function paste({ language, text }: Snippet, cell: string): Promise<string> {
  const runner = RUNNERS[language]!;
  const folder = join(stage.folder, cell);
  mkdirSync(folder);
  const path = join(folder, runner.file);
  const filled = fillIn(text, cell);
  writeFileSync(path, filled);
  const [program, ...args] = runner.command(path);
  const running = promisify(execFile)(program, args, {
    cwd: ROOT,
    env: {
      ...stage.authority.environment,
      PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
      LANG: 'C.UTF-8',
      HOME: home,
      GOPROXY: 'off',
      GOTOOLCHAIN: 'local',
      CGO_ENABLED: '0',
      GOCACHE: process.env.GOCACHE ?? join(process.env.HOME ?? home, '.cache', 'go-build'),
    },
    timeout: RUN_MS,
  });
  running.child.stdin?.end(language === 'js' ? filled : '');
  return (await running).stdout;
}

const missing = new Map(CLIENTS.map((client) => [client.name, client.missing]));
const cells = SNIPPETS.map((snippet, at) => ({ ...snippet, cell: `page.${at}`, lacks: needs(snippet) }));

/** What this machine lacks for a block, by name; those under other headings are for curl. */
function needs({ client }: Snippet): string | null {
  return missing.get(client) ?? (missing.has(client) || findProgram('curl') !== null ? null : 'curl');
}

for (const { lacks, cell, ...snippet } of cells) {
  const title = `${snippet.client} (${snippet.language})`;
  test.skipIf(lacks !== null).concurrent(
    lacks === null ? title : `${title}: ${lacks} is not installed: skipped`,
    async () => {
      expect(await paste(snippet, cell)).toContain(`hello /hello/${cell}`);
      const visits = stage.targets.visits(cell);
      expect(visits.length).toBeGreaterThan(0);
      for (const { scheme } of visits) expect(asked).toContain(`example.com:${new URL(stage.targets[scheme]).port}`);
    },
    RUN_MS,
  );
}

test('has a block for every client of the matrix', () => {
  const shown = new Set(SNIPPETS.map(({ client }) => client));
  expect(CLIENTS.map(({ name }) => name).filter((name) => !shown.has(name))).toEqual([]);
});

test('says of every client what it cannot do, and no more', () => {
  const gaps = CLIENTS.flatMap(({ name, cannot }) =>
    Object.entries(cannot).map(([scenario, reason]) => `${name}: ${scenario}: ${reason}`),
  );
  expect(documentedGaps().sort()).toEqual(gaps.sort());
});
