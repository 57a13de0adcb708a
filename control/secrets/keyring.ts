/**
 * The master key as a keyring from which single keys can be cut out: the root of a
 * GGM tree (Goldreich, Goldwasser and Micali, 1986), punctured as by Green and Miers (2015).
 *
 *            root = master key           A workspace's key-encryption key is the leaf at the
 *           /                \           first 64 bits of SHA-256(id); the children of a node
 *     HMAC(root, 0)    HMAC(root, 1)     are HMAC-SHA-256(node, 0) and (node, 1).
 *         /    \           /   \
 *        …      …         …     ✗ ── to destroy a leaf, its ancestor is replaced by the siblings
 *                                    of the path: every other leaf derives as before, this one not.
 *
 * Pure, and never changed in place. `master-key.ts` keeps one in a file. Two workspaces that
 * share those 64 bits would be destroyed together: among a million, a chance of 1 in 37 million.
 */
import { createHash, createHmac } from 'node:crypto';
import type { WorkspaceId } from '../../src/core/model.ts';
import { uuidToBlob } from '../store/uuid-blob.ts';
import { KEY_LENGTH } from './sealing.ts';

/** Levels below the root. */
const DEPTH = 64;
const BITS: readonly Buffer[] = [Buffer.of(0), Buffer.of(1)];

/** Bytes of a keyring's id. */
export const KEYRING_ID_LENGTH = 8;

export class Keyring {
  /** 8 bytes that tell this keyring from others, and tell nothing of its keys. */
  readonly id: Buffer;
  /** Nodes by their path from the root, a text of 0s and 1s; no path is the beginning of another. */
  readonly nodes: ReadonlyMap<string, Buffer>;

  constructor(id: Buffer, nodes: ReadonlyMap<string, Buffer>) {
    this.id = id;
    this.nodes = nodes;
  }

  /** The keyring of a master key from which nothing was destroyed yet. */
  static whole(root: Buffer): Keyring {
    if (root.length !== KEY_LENGTH) throw new RangeError(`a master key has ${KEY_LENGTH} bytes`);
    // Longer than the one byte that makes a child, so that no node can be mistaken for an id.
    const id = createHmac('sha256', root).update('keyring id').digest().subarray(0, KEYRING_ID_LENGTH);
    return new Keyring(Buffer.from(id), new Map([['', root]]));
  }

  /** The master key itself; null once anything was destroyed. */
  get root(): Buffer | null {
    return this.nodes.get('') ?? null;
  }

  /** Whether the workspace's key can still be derived. */
  has(workspaceId: WorkspaceId): boolean {
    return ancestorIn(this.nodes, pathOf(workspaceId)) !== null;
  }

  /** The key-encryption key of a workspace, or null when it was destroyed. */
  keyOf(workspaceId: WorkspaceId): Buffer | null {
    const path = pathOf(workspaceId);
    const from = ancestorIn(this.nodes, path);
    return from === null ? null : descend(this.nodes.get(from)!, path.slice(from.length));
  }

  /** The keyring without the keys of these workspaces; itself when it has none of them. */
  without(workspaceIds: readonly WorkspaceId[]): Keyring {
    const nodes = new Map(this.nodes);
    let changed = false;
    for (const workspaceId of workspaceIds) {
      const path = pathOf(workspaceId);
      const from = ancestorIn(nodes, path);
      if (from === null) continue;
      let node = nodes.get(from)!;
      nodes.delete(from);
      for (let depth = from.length; depth < DEPTH; depth++) {
        const bit = Number(path[depth]);
        nodes.set(path.slice(0, depth) + (1 - bit), childOf(node, 1 - bit));
        node = childOf(node, bit);
      }
      changed = true;
    }
    return changed ? new Keyring(this.id, nodes) : this;
  }
}

/** The place of a workspace's leaf: 64 characters, 0 or 1. */
function pathOf(workspaceId: WorkspaceId): string {
  const digest = createHash('sha256').update(uuidToBlob(workspaceId)).digest();
  return digest.readBigUInt64BE(0).toString(2).padStart(DEPTH, '0');
}

/** The one node on the path, by its own path; null when none is left. */
function ancestorIn(nodes: ReadonlyMap<string, Buffer>, path: string): string | null {
  for (let depth = 0; depth <= DEPTH; depth++) {
    const ancestor = path.slice(0, depth);
    if (nodes.has(ancestor)) return ancestor;
  }
  return null;
}

function descend(node: Buffer, way: string): Buffer {
  let at = node;
  for (const bit of way) at = childOf(at, Number(bit));
  return at;
}

function childOf(node: Buffer, bit: number): Buffer {
  return createHmac('sha256', node).update(BITS[bit]!).digest();
}
