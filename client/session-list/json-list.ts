/**
 * Lists in JSON: what Bright Data's Proxy Manager keeps and exports, what Scrapoxy answers of its proxy
 * lists, and plain arrays of objects or lines.
 *
 *   {"_defaults": {…}, "proxies": [{"port", "zone", "customer", "password", "country", "ext_proxies", …}]}
 *   {"freeproxies": [{"type", "address": {"hostname", "port"}, "auth": {"username", "password"}}]}
 *   [{"host", "port", "username", "password", …}], ["host:port:user:password"]
 */

import { parseManagerPort } from './bright-data-port.ts';
import { type Endpoint, type Problem, problem } from './endpoint.ts';
import { parsePlainLine } from './plain-line.ts';
import { parseRecord } from './record.ts';

type Json = Readonly<Record<string, unknown>>;

/** What every entry of a list comes to, in order; a problem: the text is no such list. An entry may be several. */
export function parseJsonList(text: string, scheme: string): readonly (Endpoint | Problem)[][] | Problem {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return problem('it begins like JSON, and is none');
  }
  const { _defaults: defaults, proxies, freeproxies } = (list ?? {}) as Json;
  const entries = Array.isArray(list) ? list : (proxies ?? freeproxies);
  if (!Array.isArray(entries))
    return problem('it has no array of upstreams, of itself or as "proxies" or "freeproxies"');
  return entries.map((entry) => parseEntry(entry, scheme, isObject(defaults) ? defaults : null));
}

function parseEntry(entry: unknown, scheme: string, defaults: Json | null): (Endpoint | Problem)[] {
  if (typeof entry === 'string') return [parsePlainLine(entry.trim(), scheme)];
  if (!isObject(entry)) return [problem('it is no object and no text')];
  if (isManagerPort(entry, defaults)) return parseManagerPort({ ...defaults, ...entry });
  const { address, auth, key, type } = entry;
  if (!isObject(address)) return [parseRecord(entry, scheme)];
  const credentials = isObject(auth) ? auth : {};
  const { hostname, port } = address;
  return [parseRecord({ host: hostname, port, scheme: type, token: key, ...credentials }, scheme)];
}

/** A port of the Proxy Manager listens here, and says of the upstream only whose account it is. */
function isManagerPort(entry: Json, defaults: Json | null): boolean {
  return 'zone' in entry || 'customer' in entry || 'ext_proxies' in entry || (defaults !== null && !('host' in entry));
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
