/**
 * Puts the parts of a gateway together: what one needs of another is passed in here,
 * and nowhere else. For `server.ts`, which has the life of the whole.
 */
import { randomBytes, randomFillSync } from 'node:crypto';
import type { RecordBindings } from '../src/core/account-binding.ts';
import type { Clock } from '../src/core/clock.ts';
import type { ClientRange, Entrance } from '../src/core/entrance.ts';
import type { GatewayLimits } from '../src/core/limits.ts';
import type { Logger } from '../src/core/log.ts';
import { Directory } from '../src/core/pool-index/directory.ts';
import { RequestIds } from '../src/core/request-ids.ts';
import { deniesAddress } from '../src/core/target-policy.ts';
import { AddressGuard } from './address-guard.ts';
import { AuthThrottle } from './auth-throttle.ts';
import { BindingQueue } from './binding-queue.ts';
import { Caps } from './caps.ts';
import { GatewayContext } from './context.ts';
import { Counters } from './counters.ts';
import { Credentials } from './credentials.ts';
import { Deadlines } from './deadlines.ts';
import { descriptorLimit } from './descriptors.ts';
import { LocalExitServer } from './exits/local-exit.ts';
import type { HealthFeed } from './health-feed.ts';
import { Ledger } from './ledger.ts';
import { Load } from './load.ts';
import { NameResolver } from './name-resolver.ts';
import { OwnAddresses } from './own-addresses.ts';
import { Prober } from './prober.ts';
import { UpstreamPool } from './upstream-pool.ts';
import { UpstreamTls } from './upstream-tls.ts';
import { Via } from './via.ts';
import { Wires } from './wire/wires.ts';

export interface GatewayOptions {
  readonly entrances: readonly Entrance[];
  /** Who clients are that send no credentials, by their address. */
  readonly clientRanges: readonly ClientRange[];
  readonly limits: GatewayLimits;
  /** How long tunnels of pools with `onRevoke: DRAIN` may go on once they are revoked. */
  readonly revokeGraceMs: number;
  readonly accessLog: boolean;
  /** Addresses with or without port; null: the system's. */
  readonly dnsServers: readonly string[] | null;
  /** Whether upstreams and targets of LOCAL sessions may be at loopback, private and other special addresses. */
  readonly upstreamsAllowPrivate: boolean;
  /** Certificates in PEM of authorities that `https` upstreams may have, next to the runtime's own. */
  readonly upstreamAuthorities: readonly string[];
  /** Writes down which sessions accounts were given. */
  readonly recordBindings: RecordBindings;
  /** What connections are made of; by default handles, where there are such. */
  readonly wires?: Wires;
  readonly log: Logger;
  readonly clock: Clock;
}

/** What a gateway rests on. */
export interface Assembled {
  readonly context: GatewayContext;
  readonly exit: LocalExitServer;
  readonly prober: Prober;
}

/** Makes what all connections share, and the embedded exit, which listens from now on. */
export async function assemble(options: GatewayOptions, health: HealthFeed | null): Promise<Assembled> {
  const { clock, limits, log, accessLog } = options;
  const deadlines = new Deadlines();
  const { dnsServers, upstreamsAllowPrivate } = options;
  const resolver = new NameResolver({ clock, deadlines, dnsTimeoutMs: limits.dnsTimeoutMs, dnsServers });
  const ownAddresses = new OwnAddresses((host) => resolver.known(host));
  const addressGuard = new AddressGuard(resolver, ownAddresses, upstreamsAllowPrivate);
  const exit = await LocalExitServer.start(addressGuard, (poolId, address, port) => {
    return deniesAddress(directory.findPoolById(poolId), address, port);
  });
  ownAddresses.guard(exit.port);
  const random = randomBytes(12);
  const requestIds = new RequestIds(random.toString('hex', 8, 12));
  const directory = new Directory({
    clock,
    localExit: exit,
    fill: (target) => void randomFillSync(target),
    hashKey: { k0: random.readUInt32LE(0), k1: random.readUInt32LE(4) },
  });
  const descriptors = descriptorLimit();
  const caps = new Caps(limits, descriptors);
  if (caps.maxConnections < limits.maxClientConnections) {
    const { maxConnections: effective } = caps;
    log.warn({ descriptors, configured: limits.maxClientConnections, effective }, 'fewer client connections');
  }
  const context = new GatewayContext({
    clock,
    log,
    accessLog,
    limits,
    revokeGraceMs: options.revokeGraceMs,
    directory,
    credentials: new Credentials(directory, clock),
    bindings: new BindingQueue(options.recordBindings, deadlines, log),
    counters: new Counters(),
    deadlines,
    wires: options.wires ?? new Wires(),
    upstreams: new UpstreamPool(limits, clock),
    upstreamTls: new UpstreamTls(options.upstreamAuthorities),
    ownAddresses,
    resolver,
    addressGuard,
    ledger: new Ledger(clock, requestIds),
    caps,
    load: new Load(limits, descriptors, log, clock),
    throttle: new AuthThrottle(clock),
    health: health ?? directory.health,
    via: new Via(randomBytes(8).toString('hex')),
    resolveSeconds: new Map(),
    requestIds,
  });
  return { context, exit, prober: new Prober(context, Math.random) };
}
