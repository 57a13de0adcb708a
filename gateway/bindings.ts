/**
 * Who a client is that sends no credentials: what the operator bound to the listener
 * it came in by, else to the longest range that its address is in. Asked once a
 * connection; what it answers is only a name, and the key of that name is looked
 * up on each request (`credentials.ts`).
 *
 *   [32 → {10.1.0.9/32: …}] ▶ [16 → {10.1.0.0/16: …}] ▶ …     one look-up a distinct prefix
 */
import { parseAddress } from '../src/core/address.ts';
import { compileDestinations, type DestinationRule, networkKey, parseDestination } from '../src/core/destinations.ts';
import type { Binding, ClientRange, ListenerBinding } from '../src/core/entrance.ts';
import type { ApiKeyId } from '../src/core/model.ts';
import { isSelectorFault, parseSelector, type Selector } from '../src/core/selector.ts';

/** Whoever this stands for acts with this key, if it is valid, and asks for this. */
export interface BoundIdentity {
  readonly keyId: ApiKeyId;
  readonly selector: Selector;
  /** The rule as records and logs name it, such as `range 10.1.0.0/16`. */
  readonly rule: string;
}

/** Who a client of this address is; null: nobody unless it says so. */
export type BindingOf = (address: string) => BoundIdentity | null;

/** Compiles the ranges; null where there are none. Throws on a range or selector that the configuration would refuse. */
export function compileRanges(ranges: readonly ClientRange[]): BindingOf | null {
  if (ranges.length === 0) return null;
  const byNetwork = new Map<string, BoundIdentity>();
  const prefixes = { 4: new Set<number>(), 16: new Set<number>() };
  for (const range of ranges) {
    const { bytes, prefix } = networkOf(range.range);
    prefixes[bytes.length as 4 | 16].add(prefix);
    byNetwork.set(networkKey(bytes, prefix), identityOf(range, `range ${range.range}`));
  }
  const longestFirst = { 4: descending(prefixes[4]), 16: descending(prefixes[16]) };
  return (address) => {
    const bytes = parseAddress(withoutZone(address));
    if (bytes === null) return null;
    for (const prefix of longestFirst[bytes.length as 4 | 16]) {
      const found = byNetwork.get(networkKey(bytes, prefix));
      if (found !== undefined) return found;
    }
    return null;
  };
}

/** A listener's own binding, asked before the ranges; null where nothing is bound. `place` is the listener's address and port. */
export function compileBinding(
  binding: ListenerBinding | null,
  place: string,
  ranges: BindingOf | null,
): BindingOf | null {
  if (binding === null) return ranges;
  const identity = identityOf(binding, `listener ${place}`);
  if (binding.from.length === 0) return () => identity;
  const isMeant = compileDestinations(binding.from.map(networkOf));
  return (address) => {
    if (isMeant({ host: withoutZone(address), port: 0 })) return identity;
    return ranges === null ? null : ranges(address);
  };
}

function identityOf({ apiKeyId, selector }: Binding, rule: string): BoundIdentity {
  const parsed = parseSelector(selector, null);
  if (isSelectorFault(parsed)) throw new Error(`the selector bound to ${rule} is not valid`);
  return { keyId: apiKeyId, selector: parsed, rule };
}

function networkOf(text: string): Extract<DestinationRule, { kind: 'network' }> {
  const rule = parseDestination(text);
  if (typeof rule === 'string' || rule.kind !== 'network') throw new Error(`${text} is no network`);
  return rule;
}

/** A link-local address comes with the name of the interface behind a percent sign. */
function withoutZone(address: string): string {
  const zone = address.indexOf('%');
  return zone === -1 ? address : address.slice(0, zone);
}

function descending(prefixes: ReadonlySet<number>): readonly number[] {
  return [...prefixes].sort((a, b) => b - a);
}
