/**
 * The clients of the matrix as data: how each is started, what a machine lacks for
 * it, and which scenarios it cannot do for reasons of its own. "Cannot" is a fact
 * about the client; whatever fails here for another reason is a defect of ours.
 */
import { type ExecFileOptions, execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findProgram } from '../../../bench/lib/stage.ts';
import type { ScenarioName } from './scenarios.ts';

export interface MatrixClient {
  readonly name: string;
  /** What this machine lacks, by name; null: nothing. */
  readonly missing: string | null;
  /** The start of its command line; `folder` is for what it builds. */
  command(folder: string): [string, ...string[]];
  /** What must happen once before its first cell. */
  prepare?(folder: string): Promise<Prepared>;
  /** The other ways in that it knows. */
  readonly entrances?: readonly Exclude<Entrance, 'http'>[];
  /** Environment of its own. */
  environment?(proxy: string): Record<string, string>;
  readonly cannot: Readonly<Partial<Record<ScenarioName, string>>>;
}

/** How a client reaches the gateway: the scheme of the proxy's URL. */
export type Entrance = 'http' | 'https' | 'socks5h';

/** What a preparation leaves for all cells of a client. */
export interface Prepared {
  readonly environment?: Readonly<Record<string, string>>;
  close?(): Promise<void>;
}

const PROGRAMS = new URL('./programs/', import.meta.url).pathname;
const PYTHON = '/usr/bin/python3';
/** Go is often installed where no PATH leads. */
export const goProgram = findProgram('go') ?? (existsSync('/usr/local/go/bin/go') ? '/usr/local/go/bin/go' : null);

/** The first of these programs that is not here. */
function lacking(...programs: string[]): string | null {
  return programs.find((program) => findProgram(program) === null) ?? null;
}

/** Whether an interpreter has a module: one short run of it. */
function lackingModule(program: string, args: readonly string[], name: string): string | null {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0 ? null : name;
}

async function build(program: string, args: readonly string[], options: ExecFileOptions = {}): Promise<Prepared> {
  await promisify(execFile)(program, args, options);
  return {};
}

/** One browser for all cells: each has a context of its own in it. */
async function startChromium(): Promise<Prepared> {
  const { chromium } = await import('playwright-core');
  const server = await chromium.launchServer({
    executablePath: findProgram('chromium')!,
    args: ['--no-sandbox', '--disable-background-networking'],
  });
  return { environment: { CHROMIUM_ENDPOINT: server.wsEndpoint() }, close: () => server.close() };
}

function shell(name: string, cannot: MatrixClient['cannot']): MatrixClient {
  return { name, missing: lacking('bash', name), command: () => ['bash', join(PROGRAMS, `${name}.sh`)], cannot };
}

function python(module: string, cannot: MatrixClient['cannot']): MatrixClient {
  const name = `python-${module}`;
  const missing = lackingModule(PYTHON, ['-c', `import ${module}`], `Python's ${module}`);
  return { name, missing, command: () => [PYTHON, '-B', join(PROGRAMS, `${name}.py`)], cannot };
}

function node(name: string, cannot: MatrixClient['cannot'], more: Partial<MatrixClient> = {}): MatrixClient {
  return { name, missing: null, command: () => [process.execPath, join(PROGRAMS, `${name}.ts`)], cannot, ...more };
}

const NO_WEBSOCKET = 'it has no WebSocket';
const NO_BRACKETS = 'it writes the address without brackets';
const HEAD_TWICE = 'http-proxy-agent sends the head once more with a body that comes later';
const PREEMPTIVE = 'it sends credentials unasked, and does not come again after a 407';
const NO_CONNECT_RETRY = 'it takes a 407 to CONNECT as the end';

export const CLIENTS: readonly MatrixClient[] = [
  { ...shell('curl', { websocket: NO_WEBSOCKET, 'ws-plain': NO_WEBSOCKET }), entrances: ['socks5h', 'https'] },
  shell('wget', {
    'post-chunked': 'it sends a length with every body',
    'ipv6-tunnel': NO_BRACKETS,
    websocket: NO_WEBSOCKET,
    'ws-plain': NO_WEBSOCKET,
    challenge: PREEMPTIVE,
    'tunnel-challenge': PREEMPTIVE,
  }),
  python('urllib', {
    'tunnel-reuse': 'it opens a connection for each request',
    'ipv6-tunnel': NO_BRACKETS,
    websocket: NO_WEBSOCKET,
    'ws-plain': NO_WEBSOCKET,
    'tunnel-challenge': NO_CONNECT_RETRY,
  }),
  {
    ...python('requests', {
      'post-chunked': 'its 2.28 leaves the credentials out of a plain request with chunks',
      websocket: NO_WEBSOCKET,
      'ws-plain': NO_WEBSOCKET,
      challenge: PREEMPTIVE,
      'tunnel-challenge': PREEMPTIVE,
    }),
    entrances: ['https'],
  },
  python('httpx', {
    ipv6: NO_BRACKETS,
    'ipv6-tunnel': NO_BRACKETS,
    websocket: NO_WEBSOCKET,
    'ws-plain': NO_WEBSOCKET,
    challenge: PREEMPTIVE,
    'tunnel-challenge': PREEMPTIVE,
  }),
  python('aiohttp', {
    'ws-plain': 'it writes ws:// into the request line, where RFC 6455 section 4.1 wants http://',
    challenge: PREEMPTIVE,
    'tunnel-challenge': PREEMPTIVE,
  }),
  python('urllib3', {
    websocket: NO_WEBSOCKET,
    'ws-plain': NO_WEBSOCKET,
    challenge: PREEMPTIVE,
    'tunnel-challenge': PREEMPTIVE,
  }),
  {
    ...node('node-undici', {
      'expect-continue': 'it refuses to send Expect',
      challenge: PREEMPTIVE,
      'tunnel-challenge': PREEMPTIVE,
    }),
    entrances: ['https'],
  },
  node(
    'node-env-proxy',
    { challenge: PREEMPTIVE, 'tunnel-challenge': PREEMPTIVE },
    { environment: (proxy) => ({ NODE_USE_ENV_PROXY: '1', HTTP_PROXY: proxy, HTTPS_PROXY: proxy }) },
  ),
  {
    ...node('node-proxy-agents', {
      redirect: 'http.request follows none',
      'expect-continue': HEAD_TWICE,
      challenge: PREEMPTIVE,
      'tunnel-challenge': PREEMPTIVE,
    }),
    entrances: ['https'],
  },
  node('got', {
    websocket: NO_WEBSOCKET,
    'ws-plain': NO_WEBSOCKET,
    challenge: PREEMPTIVE,
    'tunnel-challenge': PREEMPTIVE,
  }),
  node('axios', {
    'expect-continue': HEAD_TWICE,
    websocket: NO_WEBSOCKET,
    'ws-plain': NO_WEBSOCKET,
    challenge: PREEMPTIVE,
    'tunnel-challenge': PREEMPTIVE,
  }),
  node(
    'chromium',
    {
      'post-chunked': 'it streams a body over HTTP/2 only',
      'expect-continue': 'it lets no page set Expect',
      'upload-gib': 'it dies when it tells whom it is driven by of so large a body',
    },
    { missing: lacking('chromium'), prepare: startChromium },
  ),
  {
    name: 'java-http-client',
    missing: lacking('java', 'javac', 'keytool'),
    prepare: (folder) => build('javac', ['-d', folder, join(PROGRAMS, 'java-http-client.java')]),
    // Basic to a proxy is switched off for tunnels unless one says otherwise; the rest makes a short life shorter.
    command: (folder) => [
      'java',
      '-Djdk.http.auth.tunneling.disabledSchemes=',
      '-XX:TieredStopAtLevel=1',
      '-XX:+UseSerialGC',
      '-cp',
      folder,
      'JavaHttpClient',
    ],
    cannot: {
      'ipv6-tunnel': 'its 17 takes the bracketed address for a name to put into TLS, before it sends anything',
    },
  },
  {
    name: 'go-net-http',
    missing: goProgram === null ? 'go' : null,
    prepare: (folder) =>
      build(goProgram!, ['build', '-o', join(folder, 'go-net-http'), join(PROGRAMS, 'go-net-http.go')], {
        env: { ...process.env, GOFLAGS: '-mod=mod', GOPROXY: 'off', GOTOOLCHAIN: 'local', CGO_ENABLED: '0' },
      }),
    command: (folder) => [join(folder, 'go-net-http')],
    entrances: ['socks5h', 'https'],
    cannot: { challenge: PREEMPTIVE, 'tunnel-challenge': PREEMPTIVE },
  },
  {
    name: 'perl-lwp',
    missing: lacking('perl') ?? lackingModule('perl', ['-MLWP::Protocol::https', '-e1'], 'LWP::Protocol::https'),
    command: () => ['perl', join(PROGRAMS, 'perl-lwp.pl')],
    cannot: {
      'ipv6-tunnel': NO_BRACKETS,
      websocket: NO_WEBSOCKET,
      'ws-plain': NO_WEBSOCKET,
      'tunnel-challenge': NO_CONNECT_RETRY,
    },
  },
  {
    name: 'ruby-net-http',
    missing: lacking('ruby'),
    command: () => ['ruby', join(PROGRAMS, 'ruby-net-http.rb')],
    cannot: {
      redirect: 'it follows none',
      ipv6: 'it writes the address into Host without brackets',
      'ipv6-tunnel': NO_BRACKETS,
      websocket: NO_WEBSOCKET,
      'ws-plain': NO_WEBSOCKET,
      challenge: PREEMPTIVE,
      'tunnel-challenge': PREEMPTIVE,
    },
  },
  {
    name: 'php-curl',
    missing: lacking('php') ?? lackingModule('php', ['-r', 'exit(extension_loaded("curl") ? 0 : 1);'], "PHP's curl"),
    command: () => ['php', join(PROGRAMS, 'php-curl.php')],
    entrances: ['socks5h', 'https'],
    cannot: { websocket: NO_WEBSOCKET, 'ws-plain': NO_WEBSOCKET },
  },
];
