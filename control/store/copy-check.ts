/**
 * Whether a database file can be trusted: ours, of a schema we know, whole, its
 * references intact. Called on every copy before it is handed out
 * (`copy-check-worker.ts`) and before one is restored.
 */

import { openAlone } from './database.ts';
import { syncPath } from './database-file.ts';
import { StoreError } from './store-error.ts';

/**
 * Checks a copy that nobody has open and leaves it on disk as a single file, without WAL. Takes seconds for a
 * million rows and blocks its thread. Throws a StoreError (`not-a-database`, `foreign-database`, `newer-schema`,
 * `corrupt`, …).
 */
export function checkCopy(path: string): void {
  const copy = openAlone(path);
  try {
    copy.pragma('journal_mode = delete');
    const [verdict] = copy.pragma('integrity_check(1)') as { integrity_check: string }[];
    if (verdict?.integrity_check !== 'ok') throw new StoreError('corrupt', `${path} is damaged: it cannot be used`);
    // Rows name the offending tables; one is enough to refuse.
    if (copy.pragma('foreign_key_check').length > 0) {
      throw new StoreError('corrupt', `${path} refers to rows that it does not have: it cannot be used`);
    }
  } finally {
    copy.close();
  }
  syncPath(path);
}
