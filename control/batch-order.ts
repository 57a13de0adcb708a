/** How a BatchGet answers: what was found, in the order it was asked for, and what was not. */

/** Records and absent ids in the order of `ids`; an id that stands twice is answered once. */
export function inRequestOrder<Id extends string, R extends { readonly id: Id }>(
  ids: readonly Id[],
  found: readonly R[],
): { found: R[]; absent: Id[] } {
  const byId = new Map(found.map((record) => [record.id, record]));
  const once = [...new Set(ids)];
  return { found: once.flatMap((id) => byId.get(id) ?? []), absent: once.filter((id) => !byId.has(id)) };
}
