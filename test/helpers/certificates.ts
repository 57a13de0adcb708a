/**
 * Certificates for tests, made anew for each run: authorities, what they issue, and all that
 * can be wrong with either. Keys are of elliptic curves, as those are made at once.
 */
import { generate } from 'selfsigned';

/** A certificate and its key, in PEM. */
export interface Credential {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateFields {
  /** Names and addresses, such as `DNS:a.test` and `IP:127.0.0.1`; the extension is left out when there is none. */
  readonly names?: readonly string[];
  readonly commonName?: string;
  /** Self-signed where it is left out. */
  readonly issuer?: Credential;
  readonly isAuthority?: boolean;
  readonly purpose?: 'serverAuth' | 'clientAuth';
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly hash?: 'sha256' | 'sha1';
  readonly rsaBits?: number;
}

const TYPES = { DNS: 2, URI: 6, IP: 7 } as const;

export async function makeCredential(fields: CertificateFields = {}): Promise<Credential> {
  const { names = [], commonName = 'somebody', issuer, isAuthority = false, purpose, rsaBits } = fields;
  const made = await generate([{ name: 'commonName', value: commonName }], {
    ...(rsaBits === undefined ? { keyType: 'ec' } : { keyType: 'rsa', keySize: rsaBits }),
    algorithm: fields.hash ?? 'sha256',
    ...(issuer === undefined ? {} : { ca: { key: issuer.key, cert: issuer.cert } }),
    ...(fields.notBefore === undefined ? {} : { notBeforeDate: fields.notBefore }),
    ...(fields.notAfter === undefined ? {} : { notAfterDate: fields.notAfter }),
    extensions: [
      { name: 'basicConstraints', cA: isAuthority, critical: true },
      ...(isAuthority ? [{ name: 'keyUsage' as const, keyCertSign: true, critical: true }] : []),
      ...(purpose === undefined ? [] : [{ name: 'extKeyUsage' as const, [purpose]: true }]),
      ...(names.length === 0 ? [] : [{ name: 'subjectAltName' as const, altNames: names.map(altName) }]),
    ],
  });
  return { cert: made.cert, key: made.private };
}

/** An authority of its own, or one under `issuer`. */
export function makeAuthority(commonName: string, issuer?: Credential): Promise<Credential> {
  return makeCredential({ commonName, isAuthority: true, ...(issuer === undefined ? {} : { issuer }) });
}

function altName(text: string): { type: 2 | 6 | 7; value?: string; ip?: string } {
  const colon = text.indexOf(':');
  const type = TYPES[text.slice(0, colon) as keyof typeof TYPES];
  const value = text.slice(colon + 1);
  return type === 7 ? { type, ip: value } : { type, value };
}
