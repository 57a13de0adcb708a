/**
 * What a log may tell of an error that nobody foresaw: for the one line that whoever
 * catches it at an edge writes. Message texts stay out, as those may quote what others sent.
 */

/** Errors of a chain, and frames of each, that are told. */
const MAX_ERRORS = 5;
const MAX_FRAMES = 8;
const FRAME = '    at ';

/** An error and what caused it, outermost first: names, codes and where each was thrown; empty for what is no error. */
export function errorChain(error: unknown): object[] {
  const chain: object[] = [];
  for (let at = error; at instanceof Error && chain.length < MAX_ERRORS; at = at.cause) {
    const { kind, code } = at as { kind?: unknown; code?: unknown };
    const frames = at.stack?.split('\n').filter((line) => line.startsWith(FRAME)) ?? [];
    chain.push({ name: at.name, kind, code, stack: frames.slice(0, MAX_FRAMES).map((frame) => frame.trim()) });
  }
  return chain;
}
