/**
 * A short stable name for an SQL text, for a metric's label: its verb and the
 * table it is about, such as `select sessions`, `begin`, `create`. Bounded by
 * the schema, not by the texts: no parameter, literal or list length is in it.
 */

/** Tables of the statement in the order in which they are named, table-valued functions among them. */
const TABLES = /\b(?:from|into|update|join)\s+"?([a-z_]\w*)"?/gi;
/** A list of parameters, not a table. */
const PARAMETERS = 'json_each';
const WITH_A_TABLE: ReadonlySet<string> = new Set(['select', 'insert', 'update', 'delete', 'with']);

/** The name of a statement; the same for every text of the same verb and first table. */
export function statementName(sql: string): string {
  const verb = /[a-z]+/i.exec(sql)?.[0].toLowerCase() ?? 'unknown';
  if (!WITH_A_TABLE.has(verb)) return verb;
  for (const [, table] of sql.matchAll(TABLES)) {
    if (table !== undefined && table.toLowerCase() !== PARAMETERS) return `${verb} ${table.toLowerCase()}`;
  }
  return verb;
}
