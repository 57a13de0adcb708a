/**
 * One upstream as named values: a row of a CSV under its header, or an object of a JSON list.
 * Names are those that vendors' exports use; case and punctuation do not matter.
 */
import {
  type Endpoint,
  endpointAt,
  isProblem,
  type Problem,
  portOf,
  problem,
  schemeOf,
  withCredentials,
} from './endpoint.ts';
import { parsePlainLine } from './plain-line.ts';

type Field = 'host' | 'port' | 'username' | 'password' | 'scheme' | 'type' | 'token';

const NAMES: Readonly<Record<Field, readonly string[]>> = {
  host: [
    'host',
    'hostname',
    'ip',
    'ip_address',
    'ipaddress',
    'address',
    'proxy_address',
    'server',
    'proxy',
    'endpoint',
  ],
  port: ['port', 'proxy_port', 'http_port'],
  username: ['username', 'user', 'user_name', 'login', 'proxy_username', 'proxy_user'],
  password: ['password', 'pass', 'passwd', 'pwd', 'proxy_password', 'proxy_pass'],
  scheme: ['scheme', 'protocol', 'proxy_protocol'],
  /** Some name the scheme so, others the kind of exit. */
  type: ['type', 'proxy_type'],
  token: ['token', 'session', 'name', 'key', 'id'],
};
const FIELD_OF = new Map<string, Field>(
  Object.entries(NAMES).flatMap(([field, names]) => names.map((name) => [name, field as Field] as const)),
);

/** Columns that become labels by themselves, by what the label is called. */
const LABELS = new Map([
  ['country', 'country'],
  ['country_code', 'country'],
  ['countrycode', 'country'],
  ['cc', 'country'],
  ['city', 'city'],
  ['city_name', 'city'],
  ['isp', 'isp'],
  ['region', 'region'],
]);
const LABEL_PREFIX = /^labels?_([a-z][a-z0-9_]*)$/;

/** Lower case, with one underscore for whatever is neither letter nor digit. */
function plainName(name: string): string {
  return name
    .trim()
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^_|_$/g, '');
}

/** What a column of this name is taken for; null: for nothing. */
export function meaningOf(name: string): Field | { readonly label: string } | null {
  const plain = plainName(name);
  const field = FIELD_OF.get(plain);
  if (field !== undefined) return field;
  const label = LABELS.get(plain) ?? LABEL_PREFIX.exec(plain)?.[1];
  return label === undefined ? null : { label };
}

/** Reads named values; what has another name is left alone. `scheme` is what it has where none is named. */
export function parseRecord(record: Readonly<Record<string, unknown>>, scheme: string): Endpoint | Problem {
  const fields: Partial<Record<Field, string>> = {};
  const labels: Record<string, string> = {};
  for (const [name, value] of Object.entries(record)) {
    const meaning = meaningOf(name);
    // A password may begin or end with a blank.
    const text = meaning === 'password' ? textOf(value) : textOf(value).trim();
    if (text === '' || meaning === null) continue;
    if (typeof meaning === 'object') labels[meaning.label] ??= text.toLowerCase();
    else fields[meaning] ??= text;
  }
  const ofType = fields.type === undefined ? null : schemeOf(fields.type);
  if (fields.type !== undefined && ofType === null) labels.type ??= fields.type.toLowerCase();
  const named = fields.scheme === undefined ? (ofType ?? scheme) : schemeOf(fields.scheme);
  if (named === null) return problem('its scheme is none that an upstream can have');
  const endpoint = placeOf(fields, named);
  return isProblem(endpoint) ? endpoint : { ...endpoint, token: fields.token ?? null, labels };
}

function placeOf({ host, port, username, password }: Partial<Record<Field, string>>, scheme: string) {
  if (host === undefined) return problem('there is no host');
  const number = port === undefined ? null : portOf(port);
  // A host without a port beside it may be the whole of it.
  const place = port === undefined ? parsePlainLine(host, scheme) : number;
  if (place === null) return problem('its port is no number from 1 to 65535');
  const endpoint = typeof place === 'number' ? endpointAt(scheme, host.replaceAll(/^\[|\]$/g, ''), place) : place;
  if (isProblem(endpoint) || (username === undefined && password === undefined)) return endpoint;
  return withCredentials(endpoint, username ?? '', password ?? '');
}

function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}
