/**
 * A keyring as text, for `master-key.ts`. A whole one is what it always was: its
 * 32 bytes in base64 (hexadecimal is read as well), so a copy made at install stays
 * good. A punctured one lists its nodes, and ends with a checksum: a node with a
 * flipped bit would look like a key that somebody changed in the database.
 *
 *   sallyport-keyring 1
 *   id 1f2e3d4c5b6a7988
 *   node 0110… <base64>        one line a node: its path from the root, its 32 bytes
 *   sum <SHA-256 of the lines above, hexadecimal>
 */
import { createHash } from 'node:crypto';
import { KEYRING_ID_LENGTH, Keyring } from './keyring.ts';
import { KEY_LENGTH } from './sealing.ts';
import { SecretError } from './secret-error.ts';

const FIRST_LINE = 'sallyport-keyring 1';
const HEX = /^[0-9a-fA-F]{64}$/;
/** Standard or URL-safe, with or without its padding. */
const BASE64 = /^[A-Za-z0-9+/_-]{43}=?$/;
const ID = /^id ([0-9a-f]{16})$/;
const NODE = /^node ([01]{1,64}) ([A-Za-z0-9+/]{43}=)$/;

/** The text of a keyring, with its last line end. */
export function formatKeyring(keyring: Keyring): string {
  if (keyring.root !== null) return `${keyring.root.toString('base64')}\n`;
  const lines = [FIRST_LINE, `id ${keyring.id.toString('hex')}`];
  for (const [path, node] of keyring.nodes) lines.push(`node ${path} ${node.toString('base64')}`);
  const body = `${lines.join('\n')}\n`;
  return `${body}sum ${checksum(body)}\n`;
}

/** The keyring of a text; throws a SecretError (`key-malformed`) that names `where` and repeats nothing of it. */
export function parseKeyring(text: string, where: string): Keyring {
  const trimmed = text.trim();
  if (HEX.test(trimmed)) return Keyring.whole(Buffer.from(trimmed, 'hex'));
  if (BASE64.test(trimmed)) return Keyring.whole(Buffer.from(trimmed, 'base64'));
  if (text.startsWith(`${FIRST_LINE}\n`)) return parsePunctured(text, where);
  throw new SecretError(
    'key-malformed',
    `the master key in ${where} must be ${KEY_LENGTH} bytes in base64 or hexadecimal`,
  );
}

function parsePunctured(text: string, where: string): Keyring {
  const damaged = () =>
    new SecretError('key-malformed', `the keyring in ${where} is damaged: put an undamaged copy of it back`);
  const sumAt = text.lastIndexOf('sum ');
  if (text.slice(sumAt) !== `sum ${checksum(text.slice(0, sumAt))}\n`) throw damaged();
  const [, idLine, ...nodeLines] = text.slice(0, sumAt - 1).split('\n');
  const id = ID.exec(idLine ?? '')?.[1];
  if (id === undefined) throw damaged();
  const nodes = new Map<string, Buffer>();
  for (const line of nodeLines) {
    const [, path, key] = NODE.exec(line) ?? [];
    if (path === undefined || key === undefined) throw damaged();
    nodes.set(path, Buffer.from(key, 'base64'));
  }
  return new Keyring(Buffer.from(id, 'hex').subarray(0, KEYRING_ID_LENGTH), nodes);
}

function checksum(body: string): string {
  return createHash('sha256').update(body).digest('hex');
}
