/**
 * Keeps a session's credential from coming back (U23). A plain request takes it to
 * the upstream in `Proxy-Authorization`; an upstream that debugs aloud, or one
 * that passes the line on to a target that does, would hand it to our client. A
 * response whose head holds it is refused, and so is an error page that does.
 *
 * Looked for as base64 and in clear, in full spellings only: what an upstream
 * disguises is its own doing. It costs a response 0.1–0.2 µs, beside
 * some 2 µs for reading and writing its head (`bench/micro/head.ts`, a busy machine).
 */
import type { Route } from '../src/core/model.ts';
import type { ReplyHead } from './http1/reply-head.ts';

/** Shorter ones turn up in what is harmless. */
const MIN_LENGTH = 8;
/** A password by itself, which may be a word that stands in a path or a title. */
const MIN_PASSWORD_LENGTH = 16;
/** Octets of an error page that are looked at. */
const WATCHED_BYTES = 65_536;

const NONE: readonly string[] = [];

export class CredentialEcho {
  /** Spellings of the credential of each route that was answered, as latin1 text. */
  readonly #spellings = new WeakMap<Route, readonly string[]>();

  /** Whether what travels on of a reply's head holds the credential that its request went out with. */
  isIn(route: Route, { reason, endToEnd }: ReplyHead): boolean {
    const spellings = this.#of(route);
    return holds(spellings, endToEnd) || holds(spellings, reason);
  }

  /** What looks through an error page of this route; null without a credential that can be told. */
  watch(route: Route): EchoWatch | null {
    const spellings = this.#of(route);
    return spellings.length === 0 ? null : new EchoWatch(spellings);
  }

  #of(route: Route): readonly string[] {
    let spellings = this.#spellings.get(route);
    if (spellings === undefined) {
      spellings = spellingsOf(route);
      this.#spellings.set(route, spellings);
    }
    return spellings;
  }
}

/** Looks through one body as it passes. */
export class EchoWatch {
  readonly #spellings: readonly string[];
  /** The end of what was seen, in which a spelling may have begun. */
  #tail = '';
  #left = WATCHED_BYTES;

  constructor(spellings: readonly string[]) {
    this.#spellings = spellings;
  }

  /** Whether the body holds the credential, up to the end of this piece of it. */
  sees(piece: Buffer): boolean {
    if (this.#left <= 0) return false;
    this.#left -= piece.length;
    const text = this.#tail + piece.toString('latin1', 0, Math.min(piece.length, WATCHED_BYTES));
    this.#tail = text.slice(1 - Math.max(...this.#spellings.map(({ length }) => length)));
    return holds(this.#spellings, text);
  }
}

function holds(spellings: readonly string[], text: string): boolean {
  for (const spelling of spellings) if (text.includes(spelling)) return true;
  return false;
}

function spellingsOf({ authorization, tunnelled }: Route): readonly string[] {
  // Who answers in a tunnel was never told the credential.
  if (authorization === null || tunnelled) return NONE;
  const base64 = authorization.slice(authorization.indexOf(' ') + 1);
  const pair = Buffer.from(base64, 'base64').toString('latin1');
  const password = pair.slice(pair.indexOf(':') + 1);
  const spellings = [base64.replace(/=+$/, ''), pair].filter(({ length }) => length >= MIN_LENGTH);
  // Where the password is looked for, the pair need not be.
  return password.length >= MIN_PASSWORD_LENGTH ? [spellings[0]!, password] : spellings;
}
