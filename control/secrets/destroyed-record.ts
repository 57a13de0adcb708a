/**
 * The second-best way to destroy a workspace's key, where the master key cannot be
 * changed (given by value, or in a file that we may not write): a file that names the
 * workspace, which this installation refuses from then on, whatever backup is put back.
 * Whoever has the master key and an old backup can still open it elsewhere.
 */
import type { WorkspaceId } from '../../src/core/model.ts';
import { isUuidText } from '../store/uuid-blob.ts';
import { createPrivateFile, readPrivateFile, removeDraft, replacePrivateFile } from './key-file.ts';
import { SecretError } from './secret-error.ts';

/** One id a line: 370 KB. Beyond it, a master key that can be changed is the better answer. */
const MAX_RECORDED = 10_000;

export class DestroyedRecord {
  readonly #file: string;
  readonly #ids: Set<WorkspaceId>;

  /** Reads the record; throws a SecretError (`key-exposed`, `key-unreadable`, `key-malformed`). */
  constructor(file: string) {
    this.#file = file;
    removeDraft(file);
    const lines = (readPrivateFile(file) ?? '').split('\n').filter((line) => line !== '');
    if (!lines.every(isUuidText)) {
      throw new SecretError('key-malformed', `${file} must name one destroyed workspace a line: put it back as it was`);
    }
    this.#ids = new Set(lines as WorkspaceId[]);
  }

  has(workspaceId: WorkspaceId): boolean {
    return this.#ids.has(workspaceId);
  }

  /** Whether another workspace may be destroyed. */
  get isFull(): boolean {
    return this.#ids.size >= MAX_RECORDED;
  }

  /** Adds workspaces, on disk before it returns; throws a SecretError (`key-unreadable`). */
  add(workspaceIds: readonly WorkspaceId[]): void {
    const all = new Set([...this.#ids, ...workspaceIds]);
    if (all.size === this.#ids.size) return;
    const text = [...all, ''].join('\n');
    if (this.#ids.size === 0) createPrivateFile(this.#file, text);
    else replacePrivateFile(this.#file, text);
    for (const id of workspaceIds) this.#ids.add(id);
  }
}
