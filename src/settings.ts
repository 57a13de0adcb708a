/**
 * The one table of configuration: every setting with its type, bounds, default
 * and help. `config.ts` reads it to load, `cli/` to print. The key of a row is
 * its name in the file; flag and environment names follow from it, so that
 * `drainGrace` is `--drain-grace` and `SALLYPORT_DRAIN_GRACE`.
 */
import { join } from 'node:path';
import { ERROR_STATUSES } from './core/entrance.ts';
import { GATEWAY_LIMITS, type GatewayLimits } from './core/limits.ts';
import { LOG_LEVELS } from './core/log.ts';
import {
  apiKeyId,
  apiUrl,
  choice,
  count,
  dnsServerList,
  duration,
  formatDuration,
  formatSize,
  hostNameList,
  listen,
  listenList,
  network,
  networkList,
  path,
  selectorText,
  shaped,
  size,
  toggle,
  type ValueType,
} from './setting-types.ts';

/** What a default may depend on. */
export interface DefaultContext {
  readonly dataDir: string;
  /** Whether standard output is a terminal. */
  readonly terminal: boolean;
}

export interface Setting<T> {
  readonly type: ValueType<T>;
  readonly help: string;
  /** The default as text, computed where it depends on another setting; null leaves the setting unset. */
  readonly fallback: string | ((context: DefaultContext) => string) | null;
  /** How help describes a computed default. */
  readonly fallbackHelp?: string;
  /** Never printed, and never taken from the command line, which every user of the machine can read. */
  readonly secret?: true;
}

const setting = <T>(row: Setting<T>): Setting<T> => row;

const masterKeyText = shaped(
  /^(?:[0-9A-Fa-f]{64}|[A-Za-z0-9+/_-]{43}=?)$/,
  'a master key: 32 bytes as 64 hex characters or as base64',
);

/** Everything that is not a bound of the gateway. */
export const SETTINGS = {
  dataDir: setting({ type: path, fallback: './data', help: 'where the database and the keys live' }),
  databaseUrl: setting({
    type: shaped(/^sqlite:(?!:|\/\/)./, 'a URL of the form sqlite:<path>'),
    fallback: ({ dataDir }) => `sqlite:${join(dataDir, 'sallyport.db')}`,
    fallbackHelp: 'sqlite:<data dir>/sallyport.db',
    help: 'the database',
  }),
  controlListen: setting({ type: listen, fallback: '127.0.0.1:7070', help: 'control plane: RPC, metrics and probes' }),
  controlHosts: setting({
    type: hostNameList,
    fallback: null,
    help: 'names by which the control plane is called, besides localhost and addresses; others are refused',
  }),
  gatewayListen: setting({ type: listenList, fallback: '127.0.0.1:3128', help: 'gateway: what HTTP_PROXY points to' }),
  gatewayTlsListen: setting({
    type: listenList,
    fallback: null,
    help: 'gateway: the same over TLS, for clients that reach a proxy by https://',
  }),
  gatewayTlsCertFile: setting({ type: path, fallback: null, help: 'its certificate in PEM, with the chain behind it' }),
  gatewayTlsKeyFile: setting({
    type: path,
    fallback: null,
    help: "a file with the certificate's key in PEM, readable by its owner only",
  }),
  errorStatus: setting({
    type: choice(ERROR_STATUSES),
    fallback: 'standard',
    help: "what a client is told of an upstream's failure: 502 and 504, or extended: proxy-chain's 590 to 599",
  }),
  allowRemote: setting({
    type: toggle,
    fallback: 'false',
    help: 'listen on addresses that other machines can reach',
  }),
  masterKey: setting({
    type: masterKeyText,
    fallback: null,
    secret: true,
    help: 'the key that seals every workspace key, 32 bytes in hex or base64',
  }),
  masterKeyFile: setting({
    type: path,
    fallback: ({ dataDir }) => join(dataDir, 'master.key'),
    fallbackHelp: '<data dir>/master.key, made on the first start',
    help: 'a file with the master key, readable by its owner only',
  }),
  masterKeyPrevious: setting({
    type: masterKeyText,
    fallback: null,
    secret: true,
    help: 'the master key before this one: what it seals is brought over at start',
  }),
  masterKeyPreviousFile: setting({ type: path, fallback: null, help: 'a file with the master key before this one' }),
  bootstrapKey: setting({
    type: shaped(/^sp_live_[0-9a-f]{32,128}$/, 'an API key: sp_live_ and 32 to 128 lower-case hex characters'),
    fallback: null,
    secret: true,
    help: 'the first API key, in place of a random one',
  }),
  bootstrapKeyFile: setting({ type: path, fallback: null, help: 'a file with the first API key' }),
  logLevel: setting({ type: choice(LOG_LEVELS), fallback: 'info', help: 'the least serious line that is written' }),
  logFormat: setting({
    type: choice(['pretty', 'json']),
    fallback: ({ terminal }) => (terminal ? 'pretty' : 'json'),
    fallbackHelp: 'pretty on a terminal, else json',
    help: 'lines for eyes or for machines',
  }),
  accessLog: setting({ type: toggle, fallback: 'true', help: 'one line for each proxied request' }),
  drainGrace: setting({
    type: duration(0, 3_600_000),
    fallback: '30s',
    help: 'how long requests and tunnels may go on after SIGTERM',
  }),
  drainDelay: setting({
    type: duration(0, 300_000),
    fallback: '0s',
    help: 'how long new connections are still accepted after SIGTERM',
  }),
  dnsServers: setting({
    type: dnsServerList,
    fallback: null,
    help: 'DNS servers for upstreams and for targets of LOCAL sessions, in place of those of the system',
  }),
  upstreamsAllowPrivate: setting({
    type: toggle,
    fallback: null,
    fallbackHelp: 'true while only this machine can reach the listeners, else false',
    help: 'upstreams, and targets of LOCAL sessions, may be at loopback and private addresses',
  }),
  upstreamCaFile: setting({
    type: path,
    fallback: null,
    help: "a PEM file of authorities to trust for https upstreams, next to the runtime's own",
  }),
  rpcRate: setting({ type: count(1, 1_000_000), fallback: '500', help: 'RPCs a second for one API key' }),
  rpcBurst: setting({ type: count(1, 1_000_000), fallback: '1000', help: 'RPCs that one API key may send at once' }),
  webshareApiUrl: setting({
    type: apiUrl,
    fallback: 'https://proxy.webshare.io/api/v2/',
    help: "where Webshare's account interface is",
  }),
  proxylineApiUrl: setting({
    type: apiUrl,
    fallback: 'https://panel.proxyline.net/api/',
    help: "where Proxyline's account interface is",
  }),
  vendorTimeout: setting({
    type: duration(100, 60_000),
    fallback: '10s',
    help: "how long an answer of a vendor's account interface may take",
  }),
} as const;

type TypeOf<S> = S extends Setting<infer T> ? T : never;
/** The settings as read: null only where the default is null. */
export type SettingValues = { readonly [name in keyof typeof SETTINGS]: TypeOf<(typeof SETTINGS)[name]> | null };
export type SettingName = keyof typeof SETTINGS;

/** The bounds of the gateway as settings, and the limit that each one sets: `headTimeout` sets `headTimeoutMs`. */
export const LIMIT_SETTINGS: ReadonlyMap<
  string,
  { readonly limit: keyof GatewayLimits; readonly row: Setting<number> }
> = new Map(
  Object.entries(GATEWAY_LIMITS).map(([name, { default: fallback, min, max, help }]) => {
    const limit = name as keyof GatewayLimits;
    if (name.endsWith('Ms')) {
      return [
        name.slice(0, -2),
        { limit, row: { type: duration(min, max), fallback: formatDuration(fallback), help } },
      ];
    }
    const bytes = name.endsWith('Bytes');
    const type = bytes ? size(min, max) : count(min, max);
    return [name, { limit, row: { type, fallback: bytes ? formatSize(fallback) : String(fallback), help } }];
  }),
);

/** Every setting by its name in the file, in the order in which it is printed. */
export const ALL_SETTINGS: ReadonlyMap<string, Setting<unknown>> = new Map<string, Setting<unknown>>([
  ...Object.entries(SETTINGS),
  ...[...LIMIT_SETTINGS].map(([name, { row }]) => [name, row] as const),
]);

/** A field of a mapping in the file. */
export interface FieldRow<T> {
  readonly type: ValueType<T>;
  readonly help: string;
  /** Never quoted when it is wrong: a key may have come there by mistake. */
  readonly unquoted?: true;
}

const field = <T>(row: FieldRow<T>): FieldRow<T> => row;

/** What only the file can say: lists of mappings, by the name of each list and of each field. */
export const FILE_LISTS = {
  listeners: {
    help: "the gateway's listeners one by one, in place of gatewayListen and gatewayTlsListen",
    fields: {
      listen: field({ type: listen, help: 'required' }),
      tlsCertFile: field({ type: path, help: 'with tlsKeyFile: clients speak TLS' }),
      tlsKeyFile: field({ type: path, help: 'readable by its owner only' }),
      apiKeyId: field({
        type: apiKeyId,
        help: 'with selector: who clients are that send no credentials',
        unquoted: true,
      }),
      selector: field({
        type: selectorText,
        help: 'what they ask for; a Proxy-Selector of theirs is refused',
        unquoted: true,
      }),
      from: field({
        type: networkList,
        help: 'the networks that this is meant for; required where other machines can reach the listener',
      }),
      errorStatus: field({ type: choice(ERROR_STATUSES), help: 'in place of the setting of this name' }),
    },
  },
  clientRanges: {
    help: 'who clients are that send no credentials, by their address; the longest range wins',
    fields: {
      range: field({ type: network, help: 'required' }),
      apiKeyId: field({ type: apiKeyId, help: 'required: the key whose rights they have', unquoted: true }),
      selector: field({ type: selectorText, help: 'required: what they ask for', unquoted: true }),
    },
  },
} as const;
export type FileListName = keyof typeof FILE_LISTS;

/** `drainGrace` → `drain-grace`. */
export function flagName(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `drainGrace` → `SALLYPORT_DRAIN_GRACE`. */
export function environmentName(name: string): string {
  return `SALLYPORT_${flagName(name).replaceAll('-', '_').toUpperCase()}`;
}
