/** Lists come as pages of ids; commands and the console want the objects, as many as they ask for. */

/** Of a list, and of a batch of objects. */
const PAGE = 1_000;

interface Page {
  readonly ids: readonly Uint8Array[];
  readonly nextCursor: string;
}

export interface Listing<Item> {
  readonly page: (cursor: string, limit: number) => Promise<Page>;
  readonly load: (ids: Uint8Array[]) => Promise<readonly Item[]>;
}

/** All objects of a list, page by page, up to `most`. */
export async function* walk<Item>(
  { page, load }: Listing<Item>,
  most = Number.POSITIVE_INFINITY,
): AsyncGenerator<Item> {
  let left = most;
  for (let cursor = ''; left > 0; ) {
    const { ids, nextCursor } = await page(cursor, Math.min(PAGE, left));
    if (ids.length > 0) yield* await load([...ids]);
    left -= ids.length;
    if (nextCursor === '') return;
    cursor = nextCursor;
  }
}
