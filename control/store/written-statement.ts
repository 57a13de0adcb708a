/**
 * Statements whose text is written out, for those on the path of every write: kysely
 * would build and compile the same text anew for each execution.
 */
import { CompiledQuery } from 'kysely';

/** A statement of one text; answers the query that runs it with these parameters. */
export function writtenStatement(sql: string): (parameters: readonly unknown[]) => CompiledQuery<never> {
  const query = CompiledQuery.raw(sql) as CompiledQuery<never>;
  return (parameters) => ({ ...query, parameters });
}
