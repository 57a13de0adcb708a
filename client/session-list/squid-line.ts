/**
 * `cache_peer` lines of a squid.conf: parents that Squid sends requests to, which are what we call upstreams.
 *
 *   cache_peer host parent http-port icp-port [login=user:password] [name=x] [tls | ssl]
 */
import { type Endpoint, endpointAt, type Problem, portOf, problem, withCredentials } from './endpoint.ts';

const CACHE_PEER = /^\s*cache_peer\s+(\S.*)$/;

/** What a squid.conf may begin with, comments aside: few have a `cache_peer` first. */
const DIRECTIVE =
  /^\s*(?:acl|http_port|https_port|http_access|cache_peer\w*|cache_\w+|refresh_pattern|coredump_dir|visible_hostname|unique_hostname|access_log|logformat|dns_\w+|include|never_direct|always_direct|prefer_direct|nonhierarchical_direct|via|forwarded_for|request_header_\w+|workers|auth_param|maximum_object_size\w*|pid_filename|hosts_file|icp_\w+|tcp_outgoing_\w+|\w+_timeout)\s/;

/** Whether a line is one of a squid.conf. */
export function isSquidLine(line: string): boolean {
  return DIRECTIVE.test(line);
}

/** Reads a line of a squid.conf; null: it is about something else. */
export function parseSquidLine(line: string): Endpoint | Problem | null {
  const match = CACHE_PEER.exec(line);
  if (match === null) return null;
  const [host = '', kind, port = '', , ...options] = match[1]!.trim().split(/\s+/);
  if (kind !== 'parent') return problem('only a cache_peer that is a parent carries requests on');
  const number = portOf(port);
  if (number === null) return problem('there is no port behind "parent"');
  const isTls = options.some((option) => option === 'tls' || option === 'ssl');
  const plain = endpointAt(isTls ? 'https' : 'http', host, number);
  const login = optionOf(options, 'login');
  const endpoint = login === null ? plain : withLogin(plain, login);
  return 'problem' in endpoint ? endpoint : { ...endpoint, token: optionOf(options, 'name') };
}

function optionOf(options: readonly string[], name: string): string | null {
  const option = options.find((each) => each.startsWith(`${name}=`));
  return option === undefined ? null : option.slice(name.length + 1);
}

/** Squid's manual, `cache_peer`: user and password with URL escapes, and a percent sign as two of them. */
function withLogin(endpoint: Endpoint, login: string): Endpoint | Problem {
  if (/^(?:PASS|PASSTHRU|NEGOTIATE)(?::|$)/.test(login) || login.startsWith('*')) {
    return problem('its login is that of each of Squid’s own clients: give it one');
  }
  const colon = login.indexOf(':');
  const [user, password] = colon === -1 ? [login, ''] : [login.slice(0, colon), login.slice(colon + 1)];
  return withCredentials(endpoint, unescaped(user), unescaped(password));
}

function unescaped(text: string): string {
  return text.replaceAll(/%(%|[0-9a-f]{2})/gi, (_, code: string) =>
    code === '%' ? '%' : String.fromCharCode(Number.parseInt(code, 16)),
  );
}
