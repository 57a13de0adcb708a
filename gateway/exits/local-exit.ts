/**
 * The embedded exit: what LOCAL sessions dial. A proxy-chain server on loopback
 * that goes out from the local address named in the session's credential.
 *
 *   gateway ── CONNECT, Basic <session>~<address>:<secret> ──▶ exit ── from <address> ──▶ target
 *
 * The secret is random for each run and known to this process alone, so that
 * nobody else on the machine can use the exit. It answers CONNECT only (a plain
 * request reaches it inside a tunnel too), and never leads back to ourselves.
 */
import { randomBytes } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { RequestError, Server } from 'proxy-chain';
import type { SessionId } from '../../src/core/model.ts';
import type { LocalExit } from '../../src/core/pool-index/route.ts';
import type { OwnAddresses } from '../own-addresses.ts';

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

  /** Starts the exit on a free loopback port. */
  static async start(ownAddresses: OwnAddresses): Promise<LocalExitServer> {
    const secret = randomBytes(24).toString('hex');
    const server = new Server({
      host: '127.0.0.1',
      port: 0,
      prepareRequestFunction: ({ username, password, hostname, port, isHttp }) => {
        if (password !== secret) return { requestAuthentication: true };
        if (isHttp) throw new RequestError('CONNECT only', 405);
        if (ownAddresses.isOwn(hostname.replace(/^\[|\]$/g, ''), port)) throw new RequestError('Loop', 403);
        const localAddress = username.slice(username.indexOf(SEPARATOR) + 1);
        return {
          dnsLookup: ownAddresses.guardedLookup(port) as never,
          ...(localAddress === '' ? {} : { localAddress, ipFamily: isIPv6(localAddress) ? 6 : 4 }),
        };
      },
    });
    await server.listen();
    ownAddresses.guard(server.port);
    return new LocalExitServer(server, secret);
  }

  authorizationFor(sessionId: SessionId, localAddress: string | null): string {
    const pair = `${sessionId}${SEPARATOR}${localAddress ?? ''}:${this.#secret}`;
    return `Basic ${Buffer.from(pair).toString('base64')}`;
  }

  async close(): Promise<void> {
    await this.#server.close(true);
  }
}
