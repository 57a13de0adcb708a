/**
 * Looks for planted secrets in bytes of any kind, in every form in which a
 * secret escapes: as it is, base64 (at each of the three offsets it may have in
 * a longer text) in both alphabets, hex, URL-encoded, JSON-escaped, reversed, and
 * in part: its longest run of letters and digits.
 */

/** One form of one secret, as bytes to look for. */
interface Needle {
  readonly secret: string;
  readonly form: string;
  readonly bytes: Buffer;
}

/** Shorter pieces would be found by chance. */
const MIN_NEEDLE_BYTES = 10;

export class SecretScan {
  readonly #needles: Needle[] = [];

  /** Looks for `value` from now on; hits are reported under `name`, never with the value. */
  plant(name: string, value: string | Buffer): void {
    const bytes = Buffer.from(value as string);
    const forms = [
      ...([['as it is', bytes]] as const),
      ...(['hex', 'HEX'] as const).map((form) => {
        const hex = bytes.toString('hex');
        return [form, Buffer.from(form === 'hex' ? hex : hex.toUpperCase())] as const;
      }),
      ['reversed', Buffer.from(bytes).reverse()] as const,
      ...base64Forms(bytes),
      ...(typeof value === 'string' ? textForms(value) : []),
    ];
    for (const [form, needle] of forms) {
      if (needle.length < MIN_NEEDLE_BYTES) throw new Error(`${name} is too short to be looked for ${form}`);
      if (!this.#needles.some((known) => known.secret === name && known.bytes.equals(needle))) {
        this.#needles.push({ secret: name, form, bytes: needle });
      }
    }
  }

  /** Every secret that stands in these bytes, as `<where>: <name> <form>`; empty when none does. */
  find(where: string, haystack: string | Buffer): string[] {
    const bytes = Buffer.from(haystack as string);
    return this.#needles
      .filter((needle) => bytes.includes(needle.bytes))
      .map(({ secret, form }) => `${where}: ${secret}, ${form}`);
  }
}

/** What of the secret's base64 stays the same whatever stands around it, for each offset modulo 3. */
function base64Forms(bytes: Buffer): (readonly [string, Buffer])[] {
  return [0, 1, 2].flatMap((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    // The first characters carry bits of what precedes, the last one may carry bits of what follows.
    const stable = text.slice(offset === 0 ? 0 : offset + 1, (offset + bytes.length) % 3 === 0 ? undefined : -1);
    const urlSafe = stable.replaceAll('+', '-').replaceAll('/', '_');
    return [
      [`base64 at ${offset}`, Buffer.from(stable)] as const,
      [`base64url at ${offset}`, Buffer.from(urlSafe)] as const,
    ];
  });
}

function textForms(text: string): (readonly [string, Buffer])[] {
  const percent = [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
  const ascii = JSON.stringify(text)
    .slice(1, -1)
    .replaceAll(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  // Whatever escapes it, and however often, leaves letters and digits as they are.
  const [core = ''] = (text.match(/[A-Za-z0-9]+/g) ?? []).sort((a, b) => b.length - a.length);
  return [
    ...(core.length < MIN_NEEDLE_BYTES ? [] : [['in part', Buffer.from(core)] as const]),
    ['JSON-escaped', Buffer.from(JSON.stringify(text).slice(1, -1))],
    ['JSON-escaped in ASCII', Buffer.from(ascii)],
    ['URL-encoded', Buffer.from(encodeURIComponent(text))],
    ['wholly URL-encoded', Buffer.from(percent)],
    ['wholly URL-ENCODED', Buffer.from(percent.toUpperCase())],
  ];
}
