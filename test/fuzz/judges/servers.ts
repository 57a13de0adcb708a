/**
 * HAProxy, nginx, Apache and Squid of this machine as judges: how each is started in
 * front of the origin, what it changes on purpose, and what it is known to refuse.
 * Every such point is a line of data with its reason; what is not here has to arrive.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram, freePort } from '../../../bench/lib/stage.ts';
import { Program } from '../../helpers/program.ts';
import type { FieldLine, Meaning } from '../meaning.ts';
import { valuesOf } from '../rfc-checker.ts';
import type { KnownLimit } from './judge.ts';
import { type Relaying, RelayingJudge } from './relaying.ts';

interface Server {
  readonly name: string;
  readonly versionArguments: readonly string[];
  readonly limits: readonly KnownLimit[];
  readonly rewrites: readonly string[];
  readonly moves: readonly string[];
  readonly normalize?: Relaying['normalize'];
  /** Lines of its configuration file. */
  readonly configure: (place: { port: number; originPort: number; folder: string }) => string[];
  readonly arguments: (configuration: string, folder: string) => string[];
}

const root = process.getuid?.() === 0;

const pathOf = ({ target }: Meaning) => /^[^:]*:\/\/[^/?]*([^?]*)/.exec(target)?.[1] ?? target;

/** Path after decoding once, as servers do that map it to resources. */
function climbsOut(request: Meaning): boolean {
  let depth = 0;
  for (const segment of pathOf(request).replace(/%2f/gi, '/').replace(/%2e/gi, '.').split('/').slice(1)) {
    if (segment === '..') depth--;
    else if (segment !== '.' && segment !== '') depth++;
    if (depth < 0) return true;
  }
  return false;
}

const BAD_ESCAPE: KnownLimit = {
  reason: 'maps paths to resources: a % that starts no octet, or one of NUL, is 400',
  met: (request) => /%(?![0-9A-Fa-f]{2})|%00/.test(pathOf(request)),
};
const CLIMBING: KnownLimit = { reason: 'maps paths to resources: .. above the root is 400', met: climbsOut };

const HAPROXY: Server = {
  name: 'haproxy',
  versionArguments: ['-v'],
  limits: [
    {
      reason: 'keeps the length of a field name in one octet',
      met: ({ fields }) => fields.some(([name]) => name.length > 255),
    },
    {
      reason: 'takes no WebSocket request without its key (RFC 6455 section 4.1), which is for the target to ask for',
      met: ({ fields }) => valuesOf(fields, 'upgrade').length > 0 && valuesOf(fields, 'sec-websocket-key').length === 0,
    },
  ],
  rewrites: [],
  moves: [],
  configure: ({ port, originPort }) => [
    'global',
    '  maxconn 200',
    '  tune.bufsize 65536',
    '  tune.maxrewrite 1024',
    '  tune.http.maxhdr 256',
    'defaults',
    '  mode http',
    '  timeout connect 5s',
    '  timeout client 60s',
    '  timeout server 60s',
    '  http-reuse safe',
    'frontend judged',
    `  bind 127.0.0.1:${port}`,
    '  default_backend origin',
    'backend origin',
    `  server origin 127.0.0.1:${originPort}`,
  ],
  arguments: (configuration) => ['-db', '-f', configuration],
};

/** `ngx_http_process_unique_header_line` of nginx 1.22. */
const ONCE = [
  'authorization', 'content-type', 'if-match', 'if-modified-since', 'if-none-match', 'if-range', 'if-unmodified-since', 'range',
]; // biome-ignore format: one list

const NGINX: Server = {
  name: 'nginx',
  versionArguments: ['-v'],
  limits: [
    BAD_ESCAPE,
    CLIMBING,
    {
      reason: 'takes fields of one value once: a second line is 400, not only for Host and lengths',
      met: (request) => ONCE.some((name) => valuesOf(request.fields, name).length > 1),
    },
    { reason: 'knows no _ in the host of an absolute-form', met: ({ target }) => /^[^/]*\/\/[^/?]*_/.test(target) },
  ],
  // It answers 100 itself, reads the body whole, and does not ask again.
  rewrites: ['expect'],
  moves: [],
  normalize: asksForRoot,
  configure: ({ port, originPort, folder }) => [
    'daemon off;',
    'master_process off;',
    `pid ${folder}/pid;`,
    `error_log ${folder}/error.log;`,
    'events { worker_connections 512; }',
    'http {',
    '  access_log off;',
    ...['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `  ${kind}_temp_path ${folder}/${kind};`),
    '  client_header_buffer_size 64k;',
    '  large_client_header_buffers 8 64k;',
    '  client_max_body_size 0;',
    '  keepalive_requests 1000000;',
    '  ignore_invalid_headers off;',
    '  underscores_in_headers on;',
    `  upstream origin { server 127.0.0.1:${originPort}; keepalive 32; }`,
    '  server {',
    `    listen 127.0.0.1:${port};`,
    '    merge_slashes off;',
    '    location / {',
    '      proxy_pass http://origin;',
    '      proxy_http_version 1.1;',
    '      proxy_set_header Host $http_host;',
    '      proxy_set_header Connection "";',
    '      proxy_next_upstream off;',
    '    }',
    '  }',
    '}',
  ],
  arguments: (configuration, folder) => ['-p', folder, '-c', configuration],
};

/**
 * An OPTIONS of no path means the server as a whole (RFC 9112 section 3.2.4), and keeps its form on the way to the last
 * proxy; these ask for the root instead.
 */
function asksForRoot(meaning: Meaning): Meaning {
  const bare = meaning.method === 'OPTIONS' && /^http:\/\/[^/?]*$/.test(meaning.target);
  return bare ? { ...meaning, target: `${meaning.target}/` } : meaning;
}

function joined(meaning: Meaning): Meaning {
  const values = new Map<string, string>();
  for (const [name, value] of meaning.fields) {
    const key = name.toLowerCase();
    const before = values.get(key);
    values.set(key, before === undefined ? value : `${before},${value}`);
  }
  // The blanks around a comma are optional.
  const fields = [...values].map(([name, value]): FieldLine => [name, value.replace(/[ \t]*,[ \t]*/g, ',')]);
  return asksForRoot({ ...meaning, fields });
}

const APACHE: Server = {
  name: 'apache2',
  versionArguments: ['-v'],
  limits: [
    BAD_ESCAPE,
    CLIMBING,
    {
      reason: 'takes a host whose last label starts with a digit for an IPv4 address',
      met: ({ target }) => /^[^/]*\/\/[^/?:]*\.[0-9][^/?:.]*[^0-9/?:.]/.test(target),
    },
    {
      reason: 'knows no label that starts with _ or -',
      met: ({ target }) => /^[^/]*\/\/(?:[^/?]*\.)?[_-]/.test(target),
    },
    {
      reason: 'answers a Max-Forwards of any method itself that is not one number from 1 to 999,999,999',
      met: ({ fields }) => {
        const values = valuesOf(fields, 'max-forwards');
        return values.length > 0 && !/^0*[1-9][0-9]{0,8}$/.test(values.join());
      },
    },
  ],
  // Lowered by one at each hop (RFC 9110 section 7.6.2), of any method.
  rewrites: ['max-forwards'],
  moves: [],
  // It joins fields of one name (RFC 9110 section 5.3).
  normalize: joined,
  configure: ({ port, originPort, folder }) => [
    ...['mpm_event', 'authz_core', 'proxy', 'proxy_http'].map(
      (name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`,
    ),
    `ServerRoot ${folder}`,
    'ServerName localhost',
    `PidFile ${folder}/pid`,
    `ErrorLog ${folder}/error.log`,
    `DefaultRuntimeDir ${folder}`,
    `Listen 127.0.0.1:${port}`,
    ...(root ? ['User nobody', 'Group nogroup'] : []),
    'StartServers 1',
    'ServerLimit 1',
    'ThreadsPerChild 32',
    'MaxRequestWorkers 32',
    'KeepAlive On',
    'MaxKeepAliveRequests 0',
    'KeepAliveTimeout 60',
    'LimitRequestLine 32000',
    'LimitRequestFieldSize 32000',
    'LimitRequestFields 200',
    'HttpProtocolOptions Strict LenientMethods Require1.0',
    'AllowEncodedSlashes NoDecode',
    'TraceEnable off',
    'ProxyRequests On',
    `ProxyRemote * http://127.0.0.1:${originPort}`,
    'ProxyVia Off',
    'ProxyAddHeaders Off',
    '<Proxy *>',
    '  Require all granted',
    '</Proxy>',
  ],
  arguments: (configuration, folder) => ['-DFOREGROUND', '-d', folder, '-f', configuration],
};

const SQUID: Server = {
  name: 'squid',
  versionArguments: ['-v'],
  limits: [
    { reason: 'PURGE is a command to its own cache', met: ({ method }) => method === 'PURGE' },
    {
      reason: 'answers an OPTIONS that may go no further itself',
      met: ({ method, fields }) =>
        method === 'OPTIONS' && valuesOf(fields, 'max-forwards').some((value) => !/^0*[1-9]/.test(value)),
    },
    { reason: 'takes no URL of 8 KiB', met: ({ target }) => target.length > 8_000 },
  ],
  // It adds max-age to what it asks a parent, asks for whole bodies where it may cache them, passes Max-Forwards on,
  // lowered, with OPTIONS only, and joins the lines of X-Forwarded-For.
  rewrites: ['cache-control', 'range', 'max-forwards', 'x-forwarded-for'],
  // Written from its own knowledge, after the rest.
  moves: ['proxy-authorization', 'via', 'expect'],
  normalize: asksForRoot,
  configure: ({ port, originPort, folder }) => [
    `http_port 127.0.0.1:${port}`,
    'acl purge method PURGE',
    'http_access allow purge',
    'http_access allow all',
    `cache_peer 127.0.0.1 parent ${originPort} 0 no-query no-digest no-netdb-exchange default login=PASSTHRU`,
    'never_direct allow all',
    'cache deny all',
    'cache_mem 0',
    'memory_cache_shared off',
    'via off',
    'forwarded_for transparent',
    'request_header_max_size 64 KB',
    'pipeline_prefetch 0',
    'retry_on_error off',
    'cache_log /dev/null',
    'access_log none',
    'cache_store_log none',
    'netdb_filename none',
    'pid_filename none',
    `coredump_dir ${folder}`,
    'pinger_enable off',
    'visible_hostname localhost',
    'shutdown_lifetime 0 seconds',
    ...(root ? ['cache_effective_user nobody'] : []),
  ],
  arguments: (configuration) => ['-N', '-n', `judge${process.pid}`, '-f', configuration],
};

const SERVERS = [HAPROXY, NGINX, APACHE, SQUID];

/** Names of the servers that can be judges. */
export const SERVER_NAMES = SERVERS.map(({ name }) => name);

/** Starts this server as a judge; null when the machine does not have it. */
export async function startServerJudge(name: string): Promise<RelayingJudge | null> {
  const server = SERVERS.find((one) => one.name === name)!;
  const program = findProgram(name);
  if (program === null) return null;
  const version = execFileSync('sh', ['-c', '"$0" "$@" 2>&1', program, ...server.versionArguments], {
    encoding: 'utf8',
  }).split('\n')[0]!;
  const { limits, normalize } = server;
  const relaying = {
    name,
    version,
    limits,
    rewrites: new Set(server.rewrites),
    moves: new Set(server.moves),
    ...(normalize && { normalize }),
  };
  return RelayingJudge.start(relaying, (originPort) => serve(server, program, originPort));
}

async function serve(server: Server, program: string, originPort: number) {
  const folder = mkdtempSync(join(tmpdir(), `sallyport-fuzz-${server.name}-`));
  // As root some of them change to another user, who writes here.
  chmodSync(folder, root ? 0o777 : 0o700);
  mkdirSync(join(folder, 'logs'));
  const port = await freePort();
  const configuration = join(folder, 'server.conf');
  writeFileSync(configuration, `${server.configure({ port, originPort, folder }).join('\n')}\n`);
  const running = await Program.serving(program, server.arguments(configuration, folder), port);
  return {
    port,
    async close() {
      await running.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
