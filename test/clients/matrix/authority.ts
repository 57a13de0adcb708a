/**
 * A certificate authority of one run, and a certificate of the targets signed by
 * it: clients verify as they do in earnest. Its files go where the caller says, in
 * every form in which a client wants to be told of an authority.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { findProgram } from '../../../bench/lib/stage.ts';

export interface Authority {
  /** Key and chain of the targets: 127.0.0.1, [::1], localhost and example.com. */
  readonly target: { readonly key: string; readonly cert: string };
  /** What makes every client trust it, by the variables that their own documentation names. */
  readonly environment: Readonly<Record<string, string>>;
}

const EC = { keyType: 'ec', algorithm: 'sha256' } as const;

/** Makes both certificates anew, in `folder`. */
export async function makeAuthority(folder: string): Promise<Authority> {
  const ca = await generate([{ name: 'commonName', value: 'Sallyport matrix CA' }], {
    ...EC,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, digitalSignature: true, critical: true },
    ],
  });
  const leaf = await generate([{ name: 'commonName', value: 'localhost' }], {
    ...EC,
    ca: { key: ca.private, cert: ca.cert },
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'keyUsage', digitalSignature: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 2, value: 'example.com' },
          { type: 7, ip: '127.0.0.1' },
          { type: 7, ip: '::1' },
        ],
      },
    ],
  });
  const pem = join(folder, 'authority.pem');
  writeFileSync(pem, ca.cert);
  return { target: { key: leaf.private, cert: leaf.cert }, environment: environmentOf(pem, folder) };
}

function environmentOf(pem: string, folder: string): Record<string, string> {
  // OpenSSL's own name first: Python, Ruby, Perl, PHP, Go and curl look there.
  const variables: Record<string, string> = {
    SSL_CERT_FILE: pem,
    CURL_CA_BUNDLE: pem,
    REQUESTS_CA_BUNDLE: pem,
    PERL_LWP_SSL_CA_FILE: pem,
    NODE_EXTRA_CA_CERTS: pem,
  };
  const keytool = findProgram('keytool');
  if (keytool === null) return variables;
  const store = join(folder, 'authority.p12');
  const made = spawnSync(
    keytool,
    ['-importcert', '-noprompt', '-alias', 'ca', '-file', pem, '-keystore', store, '-storepass', 'changeit'],
    { encoding: 'utf8' },
  );
  if (made.status !== 0) throw new Error(`keytool: ${made.stdout}${made.stderr}`);
  variables.JDK_JAVA_OPTIONS = `-Djavax.net.ssl.trustStore=${store} -Djavax.net.ssl.trustStorePassword=changeit`;
  return variables;
}
