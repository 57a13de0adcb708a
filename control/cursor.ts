/**
 * Cursors of lists: opaque to clients, for us a format version and the last id of
 * the page before. Called by the services' List methods.
 */

import { malformed } from './domain-error.ts';
import type { IdPage } from './store/id-page.ts';
import { blobToUuid, uuidToBlob } from './store/uuid-blob.ts';

const FORMAT_VERSION = 1;
const CURSOR_BYTES = 17;
/** Page size of every list whose request names none. */
export const DEFAULT_LIMIT = 50;

interface PageRequest {
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

/** The page a request asks for; throws `invalid_argument` for a cursor that is not ours. */
export function pageOf<Id extends string>(request: PageRequest): IdPage<Id> {
  const limit = request.limit ?? DEFAULT_LIMIT;
  const cursor = request.cursor ?? '';
  if (cursor === '') return { afterId: null, limit };
  const bytes = Buffer.from(cursor, 'base64url');
  const ours = bytes.length === CURSOR_BYTES && bytes[0] === FORMAT_VERSION && bytes.toString('base64url') === cursor;
  if (!ours) throw malformed([{ field: 'cursor', description: 'must be a nextCursor of this method' }]);
  return { afterId: blobToUuid<Id>(bytes.subarray(1)), limit };
}

/**
 * Runs a list query for one row more than asked, so as to know whether a next page
 * exists: `nextCursor` is empty exactly when there is nothing left.
 */
export async function listPage<Id extends string>(
  request: PageRequest,
  query: (page: IdPage<Id>) => Promise<Id[]>,
): Promise<{ ids: Id[]; nextCursor: string }> {
  const page = pageOf<Id>(request);
  const found = await query({ afterId: page.afterId, limit: page.limit + 1 });
  const ids = found.slice(0, page.limit);
  const last = ids.at(-1);
  if (found.length <= page.limit || last === undefined) return { ids, nextCursor: '' };
  return { ids, nextCursor: Buffer.concat([Buffer.of(FORMAT_VERSION), uuidToBlob(last)]).toString('base64url') };
}
