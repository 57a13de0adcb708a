/**
 * What a SOCKS5 client and we say to each other (RFC 1928, RFC 1929): octets in, a
 * message or the cause of its refusal out. Pure; `socks-connection.ts` calls it each
 * time more of a message has arrived.
 *
 *   ──▶ 05 n methods…                        ◀── 05 method
 *   ──▶ 01 ulen username plen password       ◀── 01 status         method 02 only
 *   ──▶ 05 command 00 atyp address port      ◀── 05 reply 00 01 0.0.0.0 0
 *
 * Strict: an octet that may not stand where it stands ends it at once, so that the
 * verdict is the same at any split. No message is longer than MAX_MESSAGE.
 */
import { formatAddress } from '../src/core/address.ts';
import { type Cause, SOCKS_REPLIES } from '../src/core/cause.ts';
import { canonicalHost, type Target } from './http1/target.ts';

/** The first octet of a connection that speaks it. */
export const SOCKS_VERSION = 5;
/** Octets of the longest message: a username and a password of 255 each. */
export const MAX_MESSAGE = 513;

/** Of the sub-negotiation (RFC 1929 section 2), not of the protocol. */
const SUBNEGOTIATION = 1;
const CONNECT = 1;
const IPV4 = 1;
const NAME = 3;
const IPV6 = 4;
const ADDRESS_TYPE_UNSUPPORTED = 8;
/** What follows a method or a reply's code where there is nothing to tell: whence we connect is nobody's business. */
const NO_ADDRESS = '\x00\x01\x00\x00\x00\x00\x00\x00';

/** The methods of the greeting that we know. */
export const NO_AUTHENTICATION = 0;
export const USERNAME_PASSWORD = 2;

export interface Greeting {
  readonly methods: readonly number[];
  readonly size: number;
}

/** Each text is latin1, one character an octet. */
export interface UsernamePassword {
  readonly username: string;
  readonly password: string;
  readonly size: number;
}

export interface SocksRequest {
  readonly target: Target;
  readonly size: number;
}

/** A refusal; `reply` only where it differs from the cause's own. */
export interface SocksRefusal {
  readonly cause: Cause;
  readonly reply?: number;
}

const BAD: SocksRefusal = { cause: 'bad_request' };
const COMMAND: SocksRefusal = { cause: 'method_unsupported' };
const ADDRESS_TYPE: SocksRefusal = { cause: 'bad_request', reply: ADDRESS_TYPE_UNSUPPORTED };

export function isSocksRefusal(value: object): value is SocksRefusal {
  return 'cause' in value;
}

/** Reads the first message. null: more octets are needed. */
export function parseGreeting(buffer: Buffer): Greeting | SocksRefusal | null {
  if (buffer.length === 0) return null;
  if (buffer[0] !== SOCKS_VERSION) return BAD;
  const count = buffer[1];
  if (count === undefined) return null;
  if (count === 0) return BAD;
  if (buffer.length < 2 + count) return null;
  return { methods: [...buffer.subarray(2, 2 + count)], size: 2 + count };
}

/** Reads the sub-negotiation's message. A password may be empty: a client with one field puts the key into the other. */
export function parseUsernamePassword(buffer: Buffer): UsernamePassword | SocksRefusal | null {
  if (buffer.length === 0) return null;
  if (buffer[0] !== SUBNEGOTIATION) return BAD;
  const usernameLength = buffer[1];
  if (usernameLength === undefined) return null;
  const passwordAt = 3 + usernameLength;
  const passwordLength = buffer[passwordAt - 1];
  if (passwordLength === undefined || buffer.length < passwordAt + passwordLength) return null;
  return {
    username: buffer.toString('latin1', 2, passwordAt - 1),
    password: buffer.toString('latin1', passwordAt, passwordAt + passwordLength),
    size: passwordAt + passwordLength,
  };
}

/** Reads the request: a CONNECT to a name or an address, each made canonical as in HTTP. */
export function parseSocksRequest(buffer: Buffer): SocksRequest | SocksRefusal | null {
  const [version, command, reserved, type] = buffer;
  if (version === undefined) return null;
  if (version !== SOCKS_VERSION) return BAD;
  if (command === undefined) return null;
  if (command !== CONNECT) return COMMAND;
  if (reserved === undefined) return null;
  if (reserved !== 0) return BAD;
  if (type === undefined) return null;
  const length = type === IPV4 ? 4 : type === IPV6 ? 16 : type === NAME ? buffer[4] : 0;
  if (length === undefined) return null;
  if (length === 0) return type === NAME ? BAD : ADDRESS_TYPE;
  const start = type === NAME ? 5 : 4;
  const portAt = start + length;
  if (buffer.length < portAt + 2) return null;
  const host = canonicalHost(hostText(type, buffer.subarray(start, portAt)));
  const port = buffer.readUInt16BE(portAt);
  return host === null || port === 0 ? BAD : { target: { host, port, path: '' }, size: portAt + 2 };
}

/** As a client of HTTP would write it: `canonicalHost` is the one judge of hosts. */
function hostText(type: number, octets: Buffer): string {
  if (type === NAME) return octets.toString('latin1');
  const address = formatAddress([...octets]);
  return type === IPV4 ? address : `[${address}]`;
}

/** The answer to a greeting, as latin1 text; null: none of the methods will do. */
export function methodAnswer(method: number | null): string {
  return String.fromCharCode(SOCKS_VERSION, method ?? 0xff);
}

/** The answer to a username and password, as latin1 text. */
export function authenticationAnswer(accepted: boolean): string {
  return String.fromCharCode(SUBNEGOTIATION, accepted ? 0 : 1);
}

/** The answer to a request, as latin1 text; null: it is granted. */
export function socksReply(refusal: SocksRefusal | null): string {
  const code = refusal === null ? 0 : (refusal.reply ?? SOCKS_REPLIES[refusal.cause]);
  return String.fromCharCode(SOCKS_VERSION, code) + NO_ADDRESS;
}
