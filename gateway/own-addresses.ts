/**
 * Knows the addresses this process listens on, and refuses to dial them: neither
 * an upstream nor a LOCAL exit may lead back into the gateway or to the control
 * port (S7, K24). Checked on the address dialled, after the name was resolved,
 * so that no spelling and no DNS answer gets around it.
 */
import { lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { LOOP_CODE } from './dial.ts';

export class OwnAddresses {
  readonly #ports = new Set<number>();

  /** Registers a listening port of this process as out of bounds. */
  guard(port: number): void {
    this.#ports.add(port);
  }

  /** Whether this host (an address, or a name that every machine gives itself) and port is ourselves. */
  isOwn(host: string, port: number): boolean {
    return this.#ports.has(port) && (isLocalAddress(host) || isLocalName(host));
  }

  /** A `lookup` for net.connect that fails when the name leads to ourselves on `port`. */
  guardedLookup(port: number): LookupFunction {
    if (!this.#ports.has(port)) return systemLookup as LookupFunction;
    return (hostname, options, callback) => {
      systemLookup(hostname, options, (error, address, family) => {
        const addresses = Array.isArray(address) ? address.map((one) => one.address) : [address];
        const loop = error === null && addresses.some((one) => this.isOwn(one, port));
        callback(loop ? loopError() : error, address as string, family as number);
      });
    };
  }
}

/** RFC 6761 section 6.3: `localhost` and all below it; and the name of this machine. */
function isLocalName(host: string): boolean {
  const name = host.toLowerCase();
  return name === 'localhost' || name.endsWith('.localhost') || name === hostname().toLowerCase();
}

function loopError(): NodeJS.ErrnoException {
  return Object.assign(new Error('the address leads back to this process'), { code: LOOP_CODE });
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
  return local.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}
