/**
 * IP addresses as bytes, from their usual spelling. Pure, for code that compares
 * addresses with networks; names and the odd spellings that only some resolvers
 * read as addresses (`127.1`, `0x7f.1`) are none here.
 *
 * Invariant: an IPv4 address inside IPv6 (RFC 4291 §2.5.5.2) comes out as the IPv4
 * address that it is, so no rule on one is passed by the other's spelling.
 */

const IPV4 = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/;
const IPV6 = /^[0-9a-f:.]*$/i;

/** The 4 or 16 bytes of an address without brackets, or null when it is none. */
export function parseAddress(text: string): readonly number[] | null {
  const bytes = parseIpv4(text) ?? parseIpv6(text);
  return bytes !== null && isMapped(bytes) ? bytes.slice(12) : bytes;
}

/** The usual spelling (RFC 5952 for IPv6, without brackets) of 4 or 16 bytes. */
export function formatAddress(bytes: readonly number[]): string {
  if (bytes.length === 4) return bytes.join('.');
  return canonicalIpv6(groupsOf(bytes).join(':')) ?? '';
}

/** Whether the bytes are an address of `::ffff:0:0/96`. */
export function isMapped(bytes: readonly number[]): boolean {
  return bytes.length === 16 && bytes.every((byte, i) => i >= 12 || byte === (i >= 10 ? 0xff : 0));
}

function parseIpv4(text: string): number[] | null {
  const bytes = IPV4.exec(text)?.slice(1).map(Number) ?? [];
  return bytes.length === 4 && bytes.every((byte) => byte <= 255) ? bytes : null;
}

/** As `parseAddress`, for IPv6 alone and with mapped addresses left as they are. */
export function parseIpv6(text: string): number[] | null {
  const canonical = canonicalIpv6(text);
  if (canonical === null) return null;
  // The canonical form has hexadecimal groups only, and at most one `::`.
  const [before = '', after] = canonical.split('::');
  const left = before === '' ? [] : before.split(':');
  const right = after === undefined || after === '' ? [] : after.split(':');
  const groups = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right];
  return groups.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]);
}

/** RFC 5952 form by the rules of WHATWG URLs; null for anything else, scoped addresses among it. */
function canonicalIpv6(text: string): string | null {
  if (!IPV6.test(text)) return null;
  return URL.parse(`http://[${text}]`)?.hostname.slice(1, -1) ?? null;
}

function groupsOf(bytes: readonly number[]): string[] {
  return Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! * 256 + bytes[2 * i + 1]!).toString(16));
}
