/**
 * Addresses and ports as SOCKS writes them, in latin1 text, one character an octet:
 * for the two dials.
 */
import { isIP } from 'node:net';
import { parseAddress } from '../src/core/address.ts';

/** The 4 or 16 octets of an address without brackets, IPv4 inside IPv6 as IPv4; null for a name. */
export function addressOctets(host: string): string | null {
  // Names are the rule, and reading one as an address is not free.
  const bytes = isIP(host) === 0 ? null : parseAddress(host);
  return bytes === null ? null : String.fromCharCode(...bytes);
}

/** In network order. */
export function portOctets(port: number): string {
  return String.fromCharCode(port >> 8, port & 0xff);
}
