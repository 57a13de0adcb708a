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

/** Rows of one page of a walk over a whole table. */
const ROWS_PER_PAGE = 1_000;

/** Walks every page that `load` answers, for start-up and other walks over everything; empty pages are left out. */
export async function* everyPage<Id extends string, R extends { readonly id: Id }>(
  load: (page: IdPage<Id>) => Promise<R[]>,
): AsyncGenerator<R[]> {
  let afterId: Id | null = null;
  for (;;) {
    const rows: R[] = await load({ afterId, limit: ROWS_PER_PAGE });
    if (rows.length > 0) yield rows;
    if (rows.length < ROWS_PER_PAGE) return;
    afterId = rows.at(-1)?.id ?? null;
  }
}
