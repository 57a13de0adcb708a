/**
 * Certificates of authorities from a file: those that the operator trusts for `https`
 * upstreams beside the runtime's own. Called while the configuration is loaded.
 */
import { X509Certificate } from 'node:crypto';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** The certificates of a PEM text, each as PEM, whatever stands between them; null when one is none, or there is none. */
export function parseAuthorities(text: string): readonly string[] | null {
  const found = text.match(CERTIFICATE) ?? [];
  return found.length > 0 && found.every(isCertificate) ? found : null;
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}
