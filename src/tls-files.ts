/**
 * The certificates and keys of TLS listeners, read and checked before anything
 * starts: a listener that no client could use, or whose key others can read, is a
 * refusal. Called by `app.ts`. Blocking: a few small files, once.
 *
 * Invariant: no message carries anything of a file's content.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import type { Entrance } from './core/entrance.ts';
import type { ConfiguredEntrance, TlsFiles } from './entrances.ts';

const OTHERS = 0o077;

/** The entrances with what their files hold. Throws an Error of one line that names all that is wrong. */
export function loadEntrances(entrances: readonly ConfiguredEntrance[]): Entrance[] {
  const problems = new Set<string>();
  const loaded = entrances.map((entrance) => ({
    ...entrance,
    tls: entrance.tls === null ? null : loadTls(entrance.tls, problems),
  }));
  if (problems.size > 0) throw new Error([...problems].join('; '));
  return loaded;
}

function loadTls({ certFile, keyFile }: TlsFiles, problems: Set<string>): { cert: string; key: string } {
  const cert = textOf(certFile, problems);
  const key = textOf(keyFile, problems, OTHERS);
  const certificate = cert === null ? null : parsed(() => new X509Certificate(cert));
  const privateKey = key === null ? null : parsed(() => createPrivateKey(key));
  if (cert !== null && certificate === null) problems.add(`${certFile} holds no certificate in PEM`);
  if (key !== null && privateKey === null) problems.add(`${keyFile} holds no private key in PEM without a passphrase`);
  if (isMismatch(certificate, privateKey))
    problems.add(`${keyFile} holds the key of another certificate than ${certFile}`);
  return { cert: cert ?? '', key: key ?? '' };
}

/** null: it cannot be read, or whoever may not (`forbidden` bits of its mode) can. */
function textOf(file: string, problems: Set<string>, forbidden = 0): string | null {
  let fd: number | null = null;
  try {
    fd = openSync(file, 'r');
    // Of the open file, not of the name: nothing can be swapped in between.
    const { mode } = fstatSync(fd);
    if ((mode & forbidden) === 0) return readFileSync(fd, 'latin1');
    const shown = (mode & 0o777).toString(8).padStart(4, '0');
    problems.add(`the key file ${file} has mode ${shown}: make it 0600 (chmod 600)`);
  } catch (error) {
    problems.add(`${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`);
  } finally {
    if (fd !== null) closeSync(fd);
  }
  return null;
}

function parsed<T>(parse: () => T): T | null {
  try {
    return parse();
  } catch {
    // What it was exactly is told by no name that an operator knows.
    return null;
  }
}

function isMismatch(certificate: X509Certificate | null, key: KeyObject | null): boolean {
  return certificate !== null && key !== null && !certificate.checkPrivateKey(key);
}
