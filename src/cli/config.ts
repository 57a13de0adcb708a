/** `sallyport config`: the effective settings, secrets hidden, and where each came from. */
import type { EffectiveSetting } from '../config.ts';

/** A table of name, value and origin, one setting a line. */
export function printConfig(effective: readonly EffectiveSetting[]): string {
  const nameWidth = Math.max(...effective.map(({ name }) => name.length));
  const valueWidth = Math.max(...effective.map(({ value }) => value.length));
  return effective
    .map(({ name, value, origin }) => `${name.padEnd(nameWidth)}  ${value.padEnd(valueWidth)}  ${origin}`)
    .join('\n');
}
