/** One page of a list in id order: the rows after an id, at most so many. */
import { uuidToBlob } from './uuid-blob.ts';

export interface IdPage<Id extends string> {
  /** The last id of the page before; null for the first page. */
  readonly afterId: Id | null;
  /** 1 or more. */
  readonly limit: number;
}

/** The lower bound (exclusive) of a page. The empty blob sorts before every id, so each list has one SQL text. */
export function idsAfter(page: { readonly afterId: string | null }): Buffer {
  return page.afterId === null ? Buffer.alloc(0) : uuidToBlob(page.afterId);
}
