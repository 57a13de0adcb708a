/**
 * The address of a target that we look up ourselves, for SOCKS upstreams that take
 * no names from us (`socks4`, `socks5`). Called by a handshake when its connection is
 * up; nothing is sent before the address is known and allowed.
 *
 * An upstream's own lookup is its own matter: for `socks4a` and `socks5h` the
 * target is passed on as the client named it.
 */
import { isIP } from 'node:net';
import type { Cause } from '../src/core/cause.ts';
import type { Destination } from '../src/core/destinations.ts';
import type { Route } from '../src/core/model.ts';
import { deniesAddress } from '../src/core/target-policy.ts';
import type { GatewayContext } from './context.ts';
import type { Address } from './name-resolver.ts';

/** Tells where a handshake's upstream is to connect, or why it is not asked; once, in this turn or a later one. */
export type Locate = (done: (found: Destination | Cause) => void) => void;

/** Looks the target up when a handshake asks; `ipv4Only` for what can carry no other address. */
export function locateHere(context: GatewayContext, route: Route, target: Destination, ipv4Only: boolean): Locate {
  const { host, port } = target;
  if (isIP(host) !== 0) return (done) => done(target);
  return (done) =>
    context.resolver.resolve(host, (found) => {
      // It is the target that has no address: nothing is wrong with the upstream.
      if (typeof found === 'string') return done(found === 'upstream_dns' ? 'target_unreachable' : found);
      const refusal = refusalOfAddresses(context, route, found, port);
      if (refusal !== null) return done(refusal);
      const chosen = choose(found, ipv4Only);
      // As for a literal IPv6 address, `socks4-dial.ts`.
      done(chosen === null ? 'upstream_denied_target' : { host: chosen, port });
    });
}

/** A handshake asks for one address alone: many upstreams have no IPv6, hardly one has no IPv4. */
function choose(found: readonly Address[], ipv4Only: boolean): string | null {
  const ipv4 = found.find(({ family }) => family === 4);
  return ipv4?.address ?? (ipv4Only ? null : (found[0]?.address ?? null));
}

/** Why a name with these addresses is not asked for; one that is refused refuses the name, as at every dial. */
function refusalOfAddresses(
  { ownAddresses, directory }: GatewayContext,
  { poolId }: Route,
  found: readonly Address[],
  port: number,
): Cause | null {
  if (found.some(({ address }) => ownAddresses.isOwn(address, port))) return 'loop_detected';
  const pool = directory.findPoolById(poolId);
  return found.some(({ address }) => deniesAddress(pool, address, port)) ? 'destination_denied' : null;
}
