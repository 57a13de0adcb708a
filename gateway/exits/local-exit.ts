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
 */
import { randomBytes } from 'node:crypto';
import type { LookupAddress } from 'node:dns';
import { isIPv6, type LookupFunction } from 'node:net';
import { RequestError, Server } from 'proxy-chain';
import { CAUSES, type Cause } from '../../src/core/cause.ts';
import type { PoolId, SessionId } from '../../src/core/model.ts';
import type { LocalExit } from '../../src/core/pool-index/route.ts';
import type { AddressGuard } from '../address-guard.ts';
import type { Address, Resolved } from '../name-resolver.ts';

/** Whether a pool's policy denies an address that the name of a target resolved to. */
export type DeniesAddress = (poolId: PoolId, address: string, port: number) => boolean;

const SEPARATOR = '~';

export class LocalExitServer implements LocalExit {
  readonly host = '127.0.0.1';
  readonly #server: Server;
  readonly #secret: string;

  private constructor(server: Server, secret: string) {
    this.#server = server;
    this.#secret = secret;
  }

  get port(): number {
    return this.#server.port;
  }

  /** Starts the exit on a free loopback port; the caller makes that port out of bounds. */
  static async start(guard: AddressGuard, denies: DeniesAddress): Promise<LocalExitServer> {
    const secret = randomBytes(24).toString('hex');
    const server = new Server({
      host: '127.0.0.1',
      port: 0,
      prepareRequestFunction: async ({ request, username, password, hostname, port, isHttp }) => {
        if (password !== secret) return { requestAuthentication: true };
        if (isHttp) throw new RequestError('CONNECT only', 405);
        const [, poolId = '', localAddress = ''] = username.split(SEPARATOR);
        const found = await addressesOf(guard, hostname.replace(/^\[|\]$/g, ''), port);
        // Nobody would ever close what is dialled for a connection that went while its target was looked up.
        if (request.socket.destroyed) throw new RequestError('Gone', 500);
        if (found.some(({ address }) => denies(poolId as PoolId, address, port))) {
          throw refusal('destination_denied');
        }
        return { dnsLookup: alreadyFound(found), ...(localAddress === '' ? {} : leavingFrom(localAddress, found)) };
      },
    });
    await server.listen();
    return new LocalExitServer(server, secret);
  }

  authorizationFor(sessionId: SessionId, localAddress: string | null, poolId: PoolId): string {
    const pair = `${[sessionId, poolId, localAddress ?? ''].join(SEPARATOR)}:${this.#secret}`;
    return `Basic ${Buffer.from(pair).toString('base64')}`;
  }

  async close(): Promise<void> {
    await this.#server.close(true);
  }
}

/** The addresses of a target; throws the answer to the CONNECT where it may not, or cannot, be dialled. */
async function addressesOf(guard: AddressGuard, host: string, port: number): Promise<readonly Address[]> {
  const found = await new Promise<Resolved>((resolve) => guard.lookup(host, port, resolve));
  if (typeof found === 'string') throw refusal(found);
  return found;
}

/** The name is a target's here: one that cannot be resolved is a target that cannot be reached. */
function refusal(cause: Cause): RequestError {
  const { status } = CAUSES[cause === 'upstream_dns' ? 'target_unreachable' : cause];
  return new RequestError(cause, status);
}

function leavingFrom(localAddress: string, found: readonly Address[]) {
  const ipFamily = isIPv6(localAddress) ? 6 : 4;
  if (!found.some(({ family }) => family === ipFamily)) throw refusal('target_unreachable');
  return { localAddress, ipFamily };
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
