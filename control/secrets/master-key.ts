/**
 * The master key at work: the keyring that wraps every workspace's key, kept apart
 * from the database, and the files that it lives in.
 *
 *   master.key        the keyring: made by the first start, rewritten when a workspace is destroyed
 *   master.key.next   while the master key is changed: from then on it wraps every new key, and
 *                     `rewrap.ts` brings the others over; then it takes the first one's name
 *   …destroyed        `destroyed-record.ts`, for a master key that cannot be rewritten
 *
 * Never made anew once the store holds keys that an old one wrapped: that would look like
 * a good start and have lost every secret. A file is on disk before a row depends on it.
 */
import { randomBytes } from 'node:crypto';
import type { WorkspaceId } from '../../src/core/model.ts';
import { DestroyedRecord } from './destroyed-record.ts';
import { createPrivateFile, readPrivateFile, removeDraft, renamePrivateFile, replacePrivateFile } from './key-file.ts';
import { Keyring } from './keyring.ts';
import { formatKeyring, parseKeyring } from './keyring-text.ts';
import { KEY_LENGTH } from './sealing.ts';
import { SecretError } from './secret-error.ts';

/** Nodes of a keyring: each destroyed workspace adds about 50, and all are written anew with each (7 MB at most). */
const MAX_NODES = 65_536;
/** What the system says of files and directories that are not ours to write; others may pass, as a full disk does. */
const NOT_OURS_TO_WRITE: ReadonlySet<unknown> = new Set(['EACCES', 'EPERM', 'EROFS', 'EBUSY', 'EXDEV']);

export interface MasterKeySource {
  /** The key itself, in base64 or hexadecimal, or null to use the file. */
  readonly value: string | null;
  readonly file: string;
  /** The one before, from which the store's keys are to be brought over; null for none. */
  readonly previous?: { readonly value: string | null; readonly file: string | null } | null;
  /** Where destroyed workspaces are named when the key cannot be changed; beside the key unless said otherwise. */
  readonly recordFile?: string;
  /** Whether the file may be made when absent: true while the store holds no key that another one wrapped. */
  readonly mayCreate: boolean;
}

/** Reads the master key; throws a SecretError (`key-malformed`, `key-missing`, `key-exposed`, `key-unreadable`). */
export function loadMasterKey(source: MasterKeySource): MasterKey {
  const record = new DestroyedRecord(source.recordFile ?? `${source.file}.destroyed`);
  const previous = loadPreviousKey(source);
  if (source.value !== null) {
    return new MasterKey({ current: parseKeyring(source.value, 'SALLYPORT_MASTER_KEY'), previous, record, file: null });
  }
  removeDraft(source.file);
  removeDraft(nextOf(source.file));
  const current = readKeyring(source.file) ?? createKeyFile(source);
  return new MasterKey({ current, next: readKeyring(nextOf(source.file)), previous, record, file: source.file });
}

/** The previous master key alone, or null when none is given. */
export function loadPreviousKey({ previous }: Pick<MasterKeySource, 'previous'>): Keyring | null {
  if (previous === undefined || previous === null) return null;
  if (previous.value !== null) return parseKeyring(previous.value, 'SALLYPORT_MASTER_KEY_PREVIOUS');
  if (previous.file === null) return null;
  const keyring = readKeyring(previous.file);
  if (keyring === null)
    throw new SecretError('key-missing', `the previous master key file ${previous.file} is missing`);
  return keyring;
}

interface Parts {
  readonly current: Keyring;
  readonly next?: Keyring | null;
  readonly previous: Keyring | null;
  readonly record: DestroyedRecord;
  /** null for a key given by value. */
  readonly file: string | null;
}

export class MasterKey {
  readonly #file: string | null;
  readonly #record: DestroyedRecord;
  #current: Keyring;
  #next: Keyring | null;
  #previous: Keyring | null;

  constructor({ current, next, previous, record, file }: Parts) {
    this.#current = current;
    this.#next = next ?? null;
    this.#previous = previous;
    this.#record = record;
    this.#file = file;
  }

  /** Wraps every new key. */
  get wrapping(): Keyring {
    return this.#next ?? this.#current;
  }

  /** Whether it can be changed here: false for one that was given by value. */
  get isFile(): boolean {
    return this.#file !== null;
  }

  /** Whether a new one is taking over. */
  get isChanging(): boolean {
    return this.#next !== null;
  }

  /** Ids of the keyrings that may wrap a row: none but these can be opened. */
  get keyringIds(): readonly Buffer[] {
    return this.#keyrings().map(({ id }) => id);
  }

  /** Whether no further workspace can be destroyed until the master key is changed. */
  get isFull(): boolean {
    return this.#record.isFull || this.#current.nodes.size >= MAX_NODES;
  }

  /** The keyring with this id, or null. */
  keyring(id: Buffer): Keyring | null {
    return this.#keyrings().find((keyring) => keyring.id.equals(id)) ?? null;
  }

  /** The bare keys that rows of schema 1 may be wrapped by. */
  get bareKeys(): readonly Buffer[] {
    return this.#keyrings().flatMap(({ root }) => root ?? []);
  }

  /** Whether the workspace was destroyed: no key of it may be wrapped or unwrapped any more. */
  isDestroyed(workspaceId: WorkspaceId): boolean {
    const lacks = (keyring: Keyring | null) => keyring !== null && !keyring.has(workspaceId);
    return this.#record.has(workspaceId) || lacks(this.#current) || lacks(this.#next);
  }

  /**
   * Destroys the workspaces' keys, on disk before it returns. `recorded` when the master key itself could not
   * be changed. Throws a SecretError (`key-unreadable`) when neither could be written: try again.
   */
  destroy(workspaceIds: readonly WorkspaceId[]): 'punctured' | 'recorded' {
    if (this.#file !== null) {
      try {
        // The new one first: once it stands alone, nothing is left to do.
        if (this.#next !== null) this.#next = puncture(nextOf(this.#file), this.#next, workspaceIds);
        this.#current = puncture(this.#file, this.#current, workspaceIds);
        return 'punctured';
      } catch (error) {
        if (!isNotOursToWrite(error)) throw error;
      }
    }
    this.#record.add(workspaceIds);
    return 'recorded';
  }

  /** Makes a new master key, on disk before it returns; goes on with one that was made before. */
  startNext(): void {
    if (this.#file === null) throw new Error('a master key given by value cannot be changed here');
    if (this.#next !== null) return;
    const next = Keyring.whole(randomBytes(KEY_LENGTH));
    replacePrivateFile(nextOf(this.#file), formatKeyring(next));
    this.#next = next;
  }

  /** The new master key takes the old one's place: call when it wraps every key of the store. */
  finishNext(): void {
    if (this.#file === null || this.#next === null) throw new Error('the master key is not being changed');
    renamePrivateFile(nextOf(this.#file), this.#file);
    this.#current = this.#next;
    this.#next = null;
  }

  /** Forgets the previous key: call when it wraps nothing of the store any more. */
  dropPrevious(): void {
    this.#previous = null;
  }

  #keyrings(): readonly Keyring[] {
    return [this.#next, this.#current, this.#previous].filter((keyring) => keyring !== null);
  }
}

function nextOf(file: string): string {
  return `${file}.next`;
}

function puncture(file: string, keyring: Keyring, workspaceIds: readonly WorkspaceId[]): Keyring {
  const punctured = keyring.without(workspaceIds);
  if (punctured !== keyring) replacePrivateFile(file, formatKeyring(punctured));
  return punctured;
}

function readKeyring(file: string): Keyring | null {
  const text = readPrivateFile(file);
  return text === null ? null : parseKeyring(text, file);
}

function createKeyFile({ file, mayCreate }: MasterKeySource): Keyring {
  if (!mayCreate) {
    throw new SecretError(
      'key-missing',
      `the master key file ${file} is missing, and the database holds secrets that only it opens: put it back`,
    );
  }
  const keyring = Keyring.whole(randomBytes(KEY_LENGTH));
  createPrivateFile(file, formatKeyring(keyring));
  return keyring;
}

function isNotOursToWrite(error: unknown): boolean {
  const cause = error instanceof SecretError ? (error.cause as NodeJS.ErrnoException | undefined) : undefined;
  return NOT_OURS_TO_WRITE.has(cause?.code);
}
