/**
 * What spoils a stream: the mutators of the differential fuzz, each one small
 * change, several at once now and then. They know lines and blanks, no HTTP.
 */
import type { Random } from './random.ts';

type Mutator = (random: Random, text: string, other: () => string) => string;

/** Octets that some parser somewhere takes for the end, the blank or the border of something. */
const SPECIAL = [
  '\r\n', '\r', '\n', '\0', ':', '\t', ' ', ',', ';', '\x0b', '\x0c', '\x85', '\xa0', '\xff', '\r\n\r\n', '\n\n', '\r\n ', '"',
  '\\', '/', '#', '%', '@', '?', '[', ']', '=', '\x7f', '\x1b',
]; // biome-ignore format: one list

/** Lines and pieces that are where attacks on framing begin. */
const DICTIONARY = [
  'Transfer-Encoding: chunked\r\n', 'Transfer-Encoding: gzip, chunked\r\n', 'Transfer-Encoding : chunked\r\n',
  'Transfer-Encoding:\tchunked\r\n', 'Transfer-Encoding: \x0bchunked\r\n', 'Transfer-Encoding: chunked;a=b\r\n',
  'Transfer-Encoding: identity\r\n', 'Transfer-Encoding:\r\n chunked\r\n', 'Transfer-Encoding: "chunked"\r\n',
  'Content-Length: 5\r\n', 'Content-Length: 0\r\n', 'Content-Length: 05\r\n', 'Content-Length: 5, 5\r\n', 'Content-Length:\r\n',
  'Content-Length: +5\r\n', 'Content-Length: 18446744073709551616\r\n', 'Content_Length: 5\r\n', 'Host: b.test\r\n', 'Host:\r\n',
  'Connection: Host\r\n', 'Connection: Content-Length\r\n', 'Connection: Transfer-Encoding\r\n', 'Connection: close\r\n',
  'Connection: X-Gone, , close\r\n', 'Connection: upgrade\r\nUpgrade: websocket\r\n', 'Expect: 100-continue\r\n',
  'Expect: 100-continue, x\r\n', ' folded\r\n', '\tfolded\r\n', ': nameless\r\n', 'X-\0: y\r\n', 'X: a\rb\r\n', 'nocolon\r\n',
  'Proxy-Authorization: Basic eDp5\r\n', 'Proxy-Selector: pool=default\r\n', '0\r\n\r\n', '0;x\r\n\r\n', '5\r\nhello\r\n', '00\r\n',
  '0x5\r\nhello\r\n', '5 \r\nhello\r\n', '5\nhello\r\n', 'ffffffffffffffff\r\n', 'GET http://a.test/second HTTP/1.1\r\n',
  'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n', ' HTTP/1.1\r\n', ' HTTP/1.0\r\n', ' HTTP/2.0\r\n', ' HTTP/1.1 \r\n', 'http://u:p@',
  'https://', '//b.test/', '../', '%00', '%0d%0a', '\r\n\r\n\r\n', '\xc4\xb0', '\xef\xbb\xbf', 'chunked', 'CONNECT b.test:443 HTTP/1.1\r\n',
]; // biome-ignore format: one list

const NUMBERS = [
  '0',
  '1',
  '00',
  '-1',
  '+1',
  '0x10',
  '65535',
  '65536',
  '4294967296',
  '9007199254740993',
  '1e3',
  '1 1',
  '1,1',
];

const put = (text: string, at: number, octets: string, instead = 0) =>
  text.slice(0, at) + octets + text.slice(at + instead);

/** A place in the text; seldom inside of the credential, where nearly every change only makes a 407. */
function place(random: Random, text: string): number {
  for (let tries = 0; tries < 3; tries++) {
    const at = random.below(text.length + 1);
    const lineStart = text.lastIndexOf('\r\n', Math.max(0, at - 1)) + 2;
    if (!text.startsWith('Proxy-Auth', lineStart) || random.oneIn(10)) return at;
  }
  return random.below(text.length + 1);
}

/** The line around a place of chance, as [start, end), its CRLF included. */
function lineAt(random: Random, text: string): readonly [start: number, end: number] {
  const at = place(random, text);
  const start = at === 0 ? 0 : text.lastIndexOf('\n', at - 1) + 1;
  const end = text.indexOf('\n', at);
  return [start, end === -1 ? text.length : end + 1];
}

const octet = (random: Random) => String.fromCharCode(random.below(256));

export const MUTATORS: Readonly<Record<string, Mutator>> = {
  deleteOctet: (random, text) => put(text, place(random, text), '', 1),
  deleteSome: (random, text) => put(text, place(random, text), '', 1 + random.below(24)),
  insertOctet: (random, text) => put(text, place(random, text), octet(random)),
  replaceOctet: (random, text) => put(text, place(random, text), octet(random), 1),
  insertSpecial: (random, text) => put(text, place(random, text), random.pick(SPECIAL)),
  replaceSpecial: (random, text) => put(text, place(random, text), random.pick(SPECIAL), 1),
  insertWord: (random, text) => put(text, place(random, text), random.pick(DICTIONARY)),
  insertLine: (random, text) => put(text, lineAt(random, text)[1], random.pick(DICTIONARY)),
  dropLine(random, text) {
    const [start, end] = lineAt(random, text);
    return put(text, start, '', end - start);
  },
  doubleLine(random, text) {
    const [start, end] = lineAt(random, text);
    return put(text, random.oneIn(2) ? end : lineAt(random, text)[1], text.slice(start, end));
  },
  moveLine(random, text) {
    const [start, end] = lineAt(random, text);
    const without = put(text, start, '', end - start);
    return put(without, lineAt(random, without)[1], text.slice(start, end));
  },
  flipCase(random, text) {
    const at = place(random, text);
    const flipped = text.slice(at, at + 1 + random.below(8)).replace(/[A-Za-z]/g, (c) => {
      return c < 'a' ? c.toLowerCase() : c.toUpperCase();
    });
    return put(text, at, flipped, flipped.length);
  },
  splice(random, text, other) {
    const second = other();
    return text.slice(0, lineAt(random, text)[1]) + second.slice(lineAt(random, second)[0]);
  },
  crossOver(random, text, other) {
    const second = other();
    return text.slice(0, place(random, text)) + second.slice(place(random, second));
  },
  cutOff: (random, text) => text.slice(0, place(random, text)),
  splitHead: (random, text) => put(text, lineAt(random, text)[1], '\r\n'),
  changeNumber(random, text) {
    const at = place(random, text);
    const found = /[0-9]+/.exec(text.slice(at));
    if (found === null) return text;
    const near = String(Number(found[0]) + random.pick([-1, 1, 16]));
    return put(text, at + found.index, random.oneIn(2) ? near : random.pick(NUMBERS), found[0].length);
  },
  aroundNumber(random, text) {
    const at = place(random, text);
    const found = /\b[0-9a-f]+\b/i.exec(text.slice(at));
    if (found === null) return text;
    const border = at + found.index + (random.oneIn(3) ? found[0].length : 0);
    return put(text, border, random.pick(['+', '-', '0x', '0', '_', ' ', '\t', ',', '.', ';', '00000000000']));
  },
  /** A number alone in its line, or before a `;`: a chunk's size. */
  spoilSize(random, text) {
    const at = place(random, text);
    const found = /\r\n([0-9a-f]+)(?=;|\r\n)/i.exec(text.slice(at));
    if (found === null) return text;
    const border = at + found.index + 2 + (random.oneIn(3) ? found[1]!.length : 0);
    return put(
      text,
      border,
      random.pick(['+', '-', '0x', '0', '_', ' ', '\t', ',', '.', 'g', '\r', '\n', '\0', '"', '00000000000']),
    );
  },
  changeVersion(random, text) {
    const at = text.indexOf('HTTP/1.', place(random, text));
    const version = random.pick([
      'HTTP/1.0',
      'HTTP/1.0',
      'HTTP/1.1',
      'HTTP/1.2',
      'HTTP/2.0',
      'HTTP/0.9',
      'http/1.1',
      'HTTP/1',
    ]);
    return at === -1 ? text : put(text, at, version, 8);
  },
  spoilAuthority(random, text) {
    const at = text.indexOf('://', place(random, text));
    const length = /[^/? \r]*/.exec(text.slice(at + 3))?.[0].length ?? 0;
    const border = at + 3 + (random.oneIn(2) ? 0 : length);
    return at === -1
      ? text
      : put(
          text,
          border,
          random.pick(['u@', '@', 'u:p@', ':', ':0', ':80', '.', '..', '[', ']', '%', '%2f', '\\', '_', '-']),
        );
  },
  blankAround(random, text) {
    const at = place(random, text);
    const found = /[:;,= ]|\r\n/.exec(text.slice(at));
    if (found === null) return text;
    const border = at + found.index + (random.oneIn(2) ? found[0].length : 0);
    return put(text, border, random.pick([' ', '\t', '  ', ' \t', '\x0b']));
  },
  longRun(random, text) {
    const at = place(random, text);
    const length = random.oneIn(20) ? 16_000 + random.below(800) : 2 + random.below(200);
    return put(text, at, (text[at] ?? 'a').repeat(length));
  },
  manyLines(random, text) {
    const [, end] = lineAt(random, text);
    return put(text, end, 'a: b\r\n'.repeat(random.pick([2, 90, 97, 98, 99, 100, 120])));
  },
  swapLineEnd(random, text) {
    const at = text.indexOf('\r\n', place(random, text));
    return at === -1 ? text : put(text, at, random.pick(['\n', '\r', '\r\r\n', '\n\r', '\r\n\r']), 2);
  },
};

const ALL = Object.values(MUTATORS);

/** The stream after none to six mutations; `other` makes another valid one to take pieces from. */
export function mutate(random: Random, stream: string, other: () => string): string {
  const dice = random.below(100);
  const times = dice < 4 ? 0 : dice < 68 ? 1 : dice < 84 ? 2 : 3 + random.below(4);
  let text = stream;
  for (let i = 0; i < times; i++) text = random.pick(ALL)(random, text, other);
  return text;
}
