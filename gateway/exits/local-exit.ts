/**
 * The embedded exit: what LOCAL sessions dial. A proxy-chain server on loopback
 * that goes out from the local address named in the session's credential.
 *
 *   gateway ── CONNECT, Basic <session>~<pool>~<address>:<secret> ──▶ exit ── from <address> ──▶ target
 *
 * The secret is random for each run and known to this process alone, so that
 * nobody else on the machine can use the exit. It answers CONNECT only (a plain
 * request reaches it inside a tunnel too). Targets are looked up and checked here,
 * as every address that this machine dials; a refusal of ours has the status of its
 * cause, which `connect-reply.ts` turns back into that cause.
 *
 * Until somebody comes there is a listening socket and no more: proxy-chain, and what
 * it brings, is a fifth of this process's memory at rest, and many never use an exit.
 */
import { randomBytes } from 'node:crypto';
import type { LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { type AddressInfo, createServer, isIPv6, type LookupFunction, type Server, type Socket } from 'node:net';
import type { PrepareRequestFunction, Server as ProxyServer, RequestError } from 'proxy-chain';
import { CAUSES, type Cause } from '../../src/core/cause.ts';
import type { PoolId, SessionId } from '../../src/core/model.ts';
import type { LocalExit } from '../../src/core/pool-index/route.ts';
import type { AddressGuard } from '../address-guard.ts';
import type { Address, Resolved } from '../name-resolver.ts';

/** Whether a pool's policy denies an address that the name of a target resolved to. */
export type DeniesAddress = (poolId: PoolId, address: string, port: number) => boolean;

type ProxyChain = typeof import('proxy-chain');

const SEPARATOR = '~';
/** Whoever comes in must have said what for within this. */
const HEAD_TIMEOUT_MS = 10_000;

export class LocalExitServer implements LocalExit {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly #listener: Server;
  readonly #secret: string;
  readonly #guard: AddressGuard;
  readonly #denies: DeniesAddress;
  /** From the first connection on. */
  #proxy: Promise<ProxyServer> | null = null;
  /** Those that wait for it. */
  readonly #waiting = new Set<Socket>();

  private constructor(listener: Server, guard: AddressGuard, denies: DeniesAddress) {
    this.#listener = listener;
    this.#guard = guard;
    this.#denies = denies;
    this.#secret = randomBytes(24).toString('hex');
    this.port = (listener.address() as AddressInfo).port;
    listener.on('connection', (socket) => void this.#accept(socket));
  }

  /** Starts the exit on a free loopback port; the caller makes that port out of bounds. */
  static async start(guard: AddressGuard, denies: DeniesAddress): Promise<LocalExitServer> {
    const listener = createServer({ allowHalfOpen: true, noDelay: true }).listen(0, '127.0.0.1');
    await once(listener, 'listening');
    return new LocalExitServer(listener, guard, denies);
  }

  authorizationFor(sessionId: SessionId, localAddress: string | null, poolId: PoolId): string {
    const pair = `${[sessionId, poolId, localAddress ?? ''].join(SEPARATOR)}:${this.#secret}`;
    return `Basic ${Buffer.from(pair).toString('base64')}`;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#listener.close(resolve));
    for (const socket of this.#waiting) socket.destroy();
    (await this.#proxy)?.closeConnections();
    await closed;
  }

  async #accept(socket: Socket): Promise<void> {
    const drop = () => void socket.destroy();
    socket.on('error', drop).setTimeout(HEAD_TIMEOUT_MS, drop);
    this.#waiting.add(socket);
    this.#proxy ??= this.#startProxy();
    const proxy = await this.#proxy;
    this.#waiting.delete(socket);
    if (socket.destroyed) return;
    socket.off('error', drop);
    // As Node documents it: a connection that comes from elsewhere is given to an HTTP server by this event.
    proxy.server.emit('connection', socket);
  }

  async #startProxy(): Promise<ProxyServer> {
    const chain = await import('proxy-chain');
    return new chain.Server({ host: this.host, port: this.port, prepareRequestFunction: this.#prepare(chain) });
  }

  /** Who may go where, and how: asked for each request. */
  #prepare(chain: ProxyChain): PrepareRequestFunction {
    return async ({ request, username, password, hostname, port, isHttp }) => {
      request.socket.setTimeout(0);
      if (password !== this.#secret) return { requestAuthentication: true };
      if (isHttp) throw new chain.RequestError('CONNECT only', 405);
      const [, poolId = '', localAddress = ''] = username.split(SEPARATOR);
      const found = await addressesOf(this.#guard, hostname.replace(/^\[|\]$/g, ''), port);
      // Nobody would ever close what is dialled for a connection that went while its target was looked up.
      if (request.socket.destroyed) throw new chain.RequestError('Gone', 500);
      if (typeof found === 'string') throw refusal(chain, found);
      if (found.some(({ address }) => this.#denies(poolId as PoolId, address, port))) {
        throw refusal(chain, 'destination_denied');
      }
      if (localAddress === '') return { dnsLookup: alreadyFound(found) };
      const ipFamily = isIPv6(localAddress) ? 6 : 4;
      if (!found.some(({ family }) => family === ipFamily)) throw refusal(chain, 'target_unreachable');
      return { dnsLookup: alreadyFound(found), localAddress, ipFamily };
    };
  }
}

/** The addresses of a target, or why it may not, or cannot, be dialled. */
function addressesOf(guard: AddressGuard, host: string, port: number): Promise<Resolved> {
  return new Promise((resolve) => guard.lookup(host, port, resolve));
}

/** The name is a target's here: one that cannot be resolved is a target that cannot be reached. */
function refusal({ RequestError }: ProxyChain, cause: Cause): RequestError {
  const { status } = CAUSES[cause === 'upstream_dns' ? 'target_unreachable' : cause];
  return new RequestError(cause, status);
}

/** A look-up that answers with what was found, and checked, before. */
function alreadyFound(found: readonly Address[]): never {
  const lookup: LookupFunction = (_name, { family, all }, callback) => {
    const fitting = family === 4 || family === 6 ? found.filter((one) => one.family === family) : found;
    if (all === true) return callback(null, fitting as LookupAddress[]);
    const [first] = fitting;
    if (first === undefined) return callback(new Error('the target has no address of this family'), '');
    callback(null, first.address, first.family);
  };
  // The types of proxy-chain ask for all the overloads of dns.lookup, of which its one caller, net.connect, uses this.
  return lookup as never;
}
