/**
 * Makes the tokens of one rotating provider that has `mintTokens`: of a client's sticky
 * key always the same one, of nothing a fresh one. Asked by the index, once a request.
 *
 *   SHA-256(domain ‖ workspace ‖ provider ‖ key ‖ counter ‖ block) ──▶ octets ──▶ characters
 *
 * The key's token is computed, not remembered, so every gateway and every start agrees.
 * Where a format has fewer than 2^40 tokens two keys may fall on one: the later of the
 * live ones takes its next, and which is the later depends on who came first here. A key
 * is live until MAX_KEYS others (three quarters of a smaller format) were used after it.
 * Keys of other workspaces and providers are unknown here: theirs differ by chance only.
 */
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { ProviderId, WorkspaceId } from './model.ts';
import type { TokenFormat } from './token-format.ts';

/** Fills the whole of `target` with random octets. */
export type RandomFill = (target: Uint8Array) => void;

/** Keys whose tokens are kept, least recently used first out. */
const MAX_KEYS = 65_536;
const ROOMY_SPACE = 2 ** 40;
/** Of a format with fewer tokens than MAX_KEYS so many may be held, or no attempt would find a free one. */
const HELD_SHARE = 0.75;
/** Tokens tried in turn; with a quarter of them free all are in vain once in 10^8 times. */
const MAX_ATTEMPTS = 64;
const USUAL_LENGTH = 16;
const ENOUGH_BITS = 64;
/** The least letters and digits that a format must have to be spelled without its marks. */
const ENOUGH_CHARACTERS = 10;
const DOMAIN = 'sallyport minted token 1';
const UINT32_BYTES = 4;
const BLOCK_BYTES = 32;

export interface MintOptions {
  readonly workspaceId: WorkspaceId;
  readonly providerId: ProviderId;
  readonly format: TokenFormat;
}

export class TokenMint {
  /** The token of each key in use. */
  readonly #tokens: LRUCache<string, string>;
  /** Whose each of those tokens is, where two keys may fall on one; null where they do not. */
  readonly #holders: Map<string, string> | null;
  readonly #alphabet: Buffer;
  /** The first octet that stands for no character: each character has as many octets as any other. */
  readonly #rejected: number;
  readonly #length: number;
  /** What comes before the key in each hash. */
  readonly #scope: Buffer;
  readonly #octets = new Uint8Array(BLOCK_BYTES);

  constructor({ workspaceId, providerId, format }: MintOptions) {
    const alphabet = mintedAlphabet(format);
    this.#alphabet = Buffer.from(alphabet, 'latin1');
    this.#rejected = 256 - (256 % alphabet.length);
    this.#length = mintedLength(format, alphabet.length);
    this.#scope = Buffer.concat([DOMAIN, workspaceId, providerId].flatMap(lengthPrefixed));
    const space = alphabet.length ** this.#length;
    const holders = space < ROOMY_SPACE ? new Map<string, string>() : null;
    this.#holders = holders;
    this.#tokens = new LRUCache({
      // A bound by size, of one each: a bound by `max` would take the memory of all of them in advance.
      maxSize: Math.max(1, Math.min(MAX_KEYS, Math.floor(space * HELD_SHARE))),
      sizeCalculation: () => 1,
      ...(holders !== null && { dispose: (token) => holders.delete(token) }),
    });
  }

  /** Keys whose tokens are kept now. */
  get size(): number {
    return this.#tokens.size;
  }

  /**
   * The key's token, never one that `isTaken` (by a session of the provider) or that another live key has; null when
   * the format has hardly a token left.
   */
  mint(key: string, isTaken: (token: string) => boolean): string | null {
    const kept = this.#tokens.get(key);
    if (kept !== undefined) {
      if (!isTaken(kept)) return kept;
      this.#tokens.delete(key);
    }
    const token = this.#firstFree(key, isTaken);
    if (token === null) return null;
    this.#holders?.set(token, key);
    this.#tokens.set(key, token);
    return token;
  }

  /** What `mint` would answer now: the key holds nothing for it, and no other is forgotten. */
  foresee(key: string, isTaken: (token: string) => boolean): string | null {
    const kept = this.#tokens.peek(key);
    return kept !== undefined && !isTaken(kept) ? kept : this.#firstFree(key, isTaken);
  }

  /** A random token for one request, no live key's and no session's; null when the format has hardly one left. */
  fresh(random: RandomFill, isTaken: (token: string) => boolean): string | null {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const token = this.#spell(random);
      if (!this.#holders?.has(token) && !isTaken(token)) return token;
    }
    return null;
  }

  #firstFree(key: string, isTaken: (token: string) => boolean): string | null {
    const message = this.#message(key);
    for (let counter = 0; counter < MAX_ATTEMPTS; counter++) {
      const token = this.#derive(message, counter);
      if (!this.#holders?.has(token) && !isTaken(token)) return token;
    }
    return null;
  }

  /** All that is hashed for a key, with room for the counter and the block at its end. */
  #message(key: string): Buffer {
    return Buffer.concat([this.#scope, ...lengthPrefixed(key), Buffer.alloc(2 * UINT32_BYTES)]);
  }

  #derive(message: Buffer, counter: number): string {
    message.writeUInt32BE(counter, message.length - 2 * UINT32_BYTES);
    let block = 0;
    return this.#spell((octets) => {
      message.writeUInt32BE(block++, message.length - UINT32_BYTES);
      octets.set(hash('sha256', message, 'buffer'));
    });
  }

  /** Characters from octets of a source, evenly: those that would favour the first characters are passed over. */
  #spell(fill: RandomFill): string {
    const token = Buffer.allocUnsafe(this.#length);
    const alphabet = this.#alphabet;
    let at = 0;
    while (at < token.length) {
      fill(this.#octets);
      for (const octet of this.#octets) {
        if (octet >= this.#rejected || at === token.length) continue;
        token[at++] = alphabet[octet % alphabet.length]!;
      }
    }
    return token.toString('latin1');
  }
}

/** Letters and digits where there are enough: they separate nothing in any template. */
function mintedAlphabet({ alphabet }: TokenFormat): string {
  const plain = alphabet.replaceAll(/[^A-Za-z0-9]/g, '');
  return plain.length >= ENOUGH_CHARACTERS ? plain : alphabet;
}

/** The usual length, or what 64 bits need where that is more; as the format allows. */
function mintedLength({ min, max }: TokenFormat, characters: number): number {
  const wanted = Math.max(USUAL_LENGTH, Math.ceil(ENOUGH_BITS / Math.log2(characters)));
  return Math.max(min, Math.min(max, wanted));
}

/** The text and before it its length, so that no two lists of texts are the same octets. */
function lengthPrefixed(text: string): [Buffer, Buffer] {
  const octets = Buffer.from(text, 'utf8');
  const length = Buffer.alloc(UINT32_BYTES);
  length.writeUInt32BE(octets.length);
  return [length, octets];
}
