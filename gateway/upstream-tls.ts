/**
 * TLS towards `https` upstreams, and towards the targets of probes: its context is made with the first of them, and
 * used by every dial.
 *
 * The certificate must come from an authority that the runtime knows or the operator
 * named, and must name the host that the session names; a session with `tlsInsecure`
 * takes any, and still no TLS older than 1.2. Each connection makes a handshake of its
 * own: no TLS session is resumed, so that nothing ties one route to another.
 */
import { isIP, type Socket } from 'node:net';
import {
  type ConnectionOptions,
  checkServerIdentity,
  connect,
  createSecureContext,
  getCACertificates,
  type PeerCertificate,
  type SecureContext,
} from 'node:tls';
import type { Route } from '../src/core/model.ts';

export class UpstreamTls {
  readonly #authorities: readonly string[];
  #secureContext: SecureContext | null = null;

  /** `authorities`: certificates in PEM that are trusted next to the runtime's own; they were seen to be readable. */
  constructor(authorities: readonly string[]) {
    this.#authorities = authorities;
  }

  /** Speaks TLS over a socket that is connected or about to be; 'secureConnect' follows, or an error. */
  secure(carrier: Socket, { host, tlsInsecure }: Pick<Route, 'host' | 'tlsInsecure'>): Socket {
    this.#secureContext ??= contextWith(this.#authorities);
    // `@types/node` has no `allowHalfOpen` here; Node passes it on to the socket.
    const options: ConnectionOptions & { readonly allowHalfOpen: true } = {
      socket: carrier,
      secureContext: this.#secureContext,
      // RFC 6066 section 3: no literal addresses in SNI.
      servername: isIP(host) === 0 ? host : '',
      host,
      rejectUnauthorized: !tlsInsecure,
      checkServerIdentity: checkNames,
      allowHalfOpen: true,
    };
    return connect(options);
  }
}

function contextWith(authorities: readonly string[]): SecureContext {
  return createSecureContext({
    minVersion: 'TLSv1.2',
    // The runtime's own need no list of ours: OpenSSL shares one store of them.
    ...(authorities.length === 0 ? {} : { ca: [...getCACertificates('default'), ...authorities] }),
  });
}

/**
 * The error of a certificate that does not name the host, undefined for one that does. Only its alternative names count
 * (RFC 9110 section 4.3.4): what a common name says was never meant as a host by everyone who issued one.
 */
function checkNames(host: string, { subjectaltname }: PeerCertificate): Error | undefined {
  return checkServerIdentity(host, { subject: {}, subjectaltname } as PeerCertificate);
}
