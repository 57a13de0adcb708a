/**
 * Who counts as one client where clients are counted by address: an IPv4 address by
 * itself, an IPv6 address by its /64, as that is what one customer has at the least
 * and may change within at will. Called when a connection is accepted and when
 * credentials were wrong, never on a request that goes well.
 */
import { formatAddress, isMapped, parseIpv6 } from '../src/core/address.ts';

const MAPPED = '::ffff:';

/** The network of an address: its own text for IPv4, mapped or not; 16 hexadecimal digits for IPv6. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  // A listener for both families reports IPv4 clients so.
  if (address.startsWith(MAPPED) && address.includes('.')) return address.slice(MAPPED.length);
  const zone = address.indexOf('%');
  const bytes = parseIpv6(zone === -1 ? address : address.slice(0, zone));
  if (bytes === null) return address;
  return isMapped(bytes) ? formatAddress(bytes.slice(12)) : Buffer.from(bytes.slice(0, 8)).toString('hex');
}

/** The network of `address:port` as an exchange has it, IPv6 without brackets. */
export function networkOfPeer(peer: string): string {
  return networkOf(peer.slice(0, peer.lastIndexOf(':')));
}
