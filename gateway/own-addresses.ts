/**
 * Knows where this process listens, and tells whether an address or name is that:
 * neither an upstream nor a LOCAL exit may lead back into the gateway or to the
 * control port (S7, K24). `address-guard.ts` asks for every address that is dialled,
 * `admission.ts` for targets, which an upstream beside us would reach as well.
 */
import { BlockList, isIP, isIPv6 } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import type { Address } from './name-resolver.ts';

/** The addresses that this machine itself gives a host (`NameResolver.known`), or null. */
export type KnownAddresses = (host: string) => readonly Address[] | null;

export class OwnAddresses {
  readonly #ports = new Set<number>();
  readonly #known: KnownAddresses;

  constructor(known: KnownAddresses) {
    this.#known = known;
  }

  /** Registers a listening port of this process as out of bounds. */
  guard(port: number): void {
    this.#ports.add(port);
  }

  /** Whether this host (an address, or a name that this machine gives itself) and port is ourselves. */
  isOwn(host: string, port: number): boolean {
    if (!this.#ports.has(port)) return false;
    if (host.toLowerCase() === hostname().toLowerCase()) return true;
    const addresses = this.#known(host);
    return addresses?.some(({ address }) => isLocalAddress(address)) ?? false;
  }
}

/** Loopback, unspecified, or an address of one of our interfaces; IPv4 inside IPv6 is unwrapped by BlockList. */
function isLocalAddress(address: string): boolean {
  if (isIP(address) === 0) return false;
  const local = new BlockList();
  local.addSubnet('127.0.0.0', 8, 'ipv4');
  local.addSubnet('0.0.0.0', 8, 'ipv4');
  local.addAddress('::1', 'ipv6');
  local.addAddress('::', 'ipv6');
  // Interfaces come and go: read when asked, which is only for a port that is ours.
  for (const addresses of Object.values(networkInterfaces())) {
    for (const one of addresses ?? []) {
      local.addAddress(one.address.split('%')[0]!, isIPv6(one.address) ? 'ipv6' : 'ipv4');
    }
  }
  return local.check(address.split('%')[0]!, isIPv6(address) ? 'ipv6' : 'ipv4');
}
