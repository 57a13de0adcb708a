/**
 * A pool's policy on targets, compiled once when the pool changes: which hosts and
 * ports its clients may ask for. Admission asks it before a session is resolved, the
 * explanation of a request the same way, and whoever looks a target's name up here
 * (SOCKS upstreams that take addresses, LOCAL exits) for the addresses found.
 */
import { formatAddress, parseAddress } from './address.ts';
import { embeddedIn } from './address-policy.ts';
import { compileDestinations, type Destination, type DestinationRule, parseDestination } from './destinations.ts';
import type { PoolPolicyState } from './model.ts';

export class TargetPolicy {
  readonly #isAllowed: ((target: Destination) => boolean) | null;
  readonly #isDenied: ((target: Destination) => boolean) | null;
  readonly #connectPorts: ReadonlySet<number> | null;

  constructor({ allow, deny, connectPorts }: PoolPolicyState) {
    this.#isAllowed = allow.length === 0 ? null : compileDestinations(allow.map(ruleOf));
    this.#isDenied = deny.length === 0 ? null : compileDestinations(deny.map(ruleOf));
    this.#connectPorts = connectPorts.length === 0 ? null : new Set(connectPorts);
  }

  /** Whether a client may not ask for this target; `tunnel`: it asks for the connection itself (CONNECT, SOCKS). */
  denies(target: Destination, tunnel: boolean): boolean {
    if (tunnel && this.#connectPorts !== null && !this.#connectPorts.has(target.port)) return true;
    if (this.deniesAddress(target)) return true;
    return this.#isAllowed !== null && !this.#isAllowed(target);
  }

  /**
   * Whether an address that a target's name resolved to is denied. The name has passed: what allowed it is about the
   * name, so only what is denied speaks of its addresses.
   */
  deniesAddress(target: Destination): boolean {
    const isDenied = this.#isDenied;
    if (isDenied === null) return false;
    return isDenied(target) || embeddedHosts(target.host).some((host) => isDenied({ host, port: target.port }));
  }
}

/** The policy on targets of a pool; null for a pool that has none, which then costs nothing. */
export function compileTargetPolicy(policy: PoolPolicyState): TargetPolicy | null {
  const { allow, deny, connectPorts } = policy;
  return allow.length + deny.length + connectPorts.length === 0 ? null : new TargetPolicy(policy);
}

/** Whether a pool's policy denies an address that the name of a target resolved to here; a pool that is gone denies none. */
export function deniesAddress(
  pool: { readonly targets: TargetPolicy | null } | undefined,
  address: string,
  port: number,
): boolean {
  return pool?.targets?.deniesAddress({ host: address, port }) ?? false;
}

/** What a translator or tunnel at the upstream would make of an IPv6 address. */
function embeddedHosts(host: string): readonly string[] {
  const bytes = host.includes(':') ? parseAddress(host) : null;
  return bytes === null ? [] : embeddedIn(bytes).map(formatAddress);
}

/** A rule that cannot be read must not be passed over: an entry was checked when it was written. */
function ruleOf(entry: string): DestinationRule {
  const rule = parseDestination(entry);
  if (typeof rule === 'string') throw new Error(`a pool has a destination that ${rule}`);
  return rule;
}
