/**
 * A port of Bright Data's Proxy Manager, as its configuration has it: what it sends requests to, as sessions with the
 * user names that it would make. Ports that rotate by themselves become one session each: here the pool rotates.
 */
import { type Endpoint, endpointAt, isProblem, type Problem, portOf, problem, withCredentials } from './endpoint.ts';
import { parsePlainLine } from './plain-line.ts';

type Json = Readonly<Record<string, unknown>>;

/** Where the vendor's gateway listens. */
const GATEWAY = { host: 'brd.superproxy.io', port: 33_335 };
/** Parts of a user name that an exit is asked for by, in the order in which the manager writes them. */
const ASKED = ['country', 'state', 'city', 'asn', 'ip'] as const;

/** The sessions of a port, its settings with the defaults of all ports beneath them. */
export function parseManagerPort(settings: Json): (Endpoint | Problem)[] {
  const { ext_proxies: external } = settings;
  if (Array.isArray(external) && external.length > 0) return external.map((each) => parseExternal(each, settings));
  return [parseGatewayPort(settings)];
}

/** `[user:password@]host[:port]`, with defaults for what is not there. */
function parseExternal(text: unknown, settings: Json): Endpoint | Problem {
  if (typeof text !== 'string') return problem('an entry of its ext_proxies is no text');
  const { ext_proxy_username: username, ext_proxy_password: password, ext_proxy_port: port } = settings;
  const hasPort = /:[0-9]+$/.test(text.slice(text.lastIndexOf('@') + 1));
  const endpoint = parsePlainLine(hasPort ? text : `${text}:${textOf(port)}`, 'http');
  if (isProblem(endpoint) || endpoint.username !== null) return endpoint;
  return withCredentials(endpoint, textOf(username), textOf(password));
}

function parseGatewayPort(settings: Json): Endpoint | Problem {
  const [customer, zone, password] = [settings.customer, settings.zone, settings.password].map(textOf);
  if (!customer || !zone || !password) return problem('its customer, zone or password is missing');
  const asked = ASKED.map((name) => [name, textOf(settings[name])]).filter(([, value]) => value !== '');
  const session = typeof settings.session === 'string' ? [['session', settings.session]] : [];
  const parts = [['customer', customer], ['zone', zone], ...asked, ...session];
  const username = `brd-${parts.map(([name, value]) => `${name}-${value}`).join('-')}`;
  const endpoint = withCredentials(endpointAt('http', GATEWAY.host, GATEWAY.port), username, password);
  if (isProblem(endpoint)) return endpoint;
  const port = portOf(textOf(settings.port));
  const country = textOf(settings.country).toLowerCase();
  return {
    ...endpoint,
    token: port === null ? null : `port-${port}`,
    labels: country === '' || country === 'any' ? {} : { country },
  };
}

function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value).trim() : '';
}
