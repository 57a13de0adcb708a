/**
 * Valid streams of requests as clients of a forward proxy send them, made from
 * chance: the corpus that `mutators.ts` then spoils. All methods, framings and
 * versions, header fields of many shapes, pipelines, and CONNECT with what a fast
 * client sends behind it. Text is latin1, one character an octet.
 */
import type { Random } from './random.ts';

const METHODS = [
  'GET', 'GET', 'GET', 'HEAD', 'POST', 'POST', 'POST', 'PUT', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND', 'PROPPATCH',
  'MKCOL', 'COPY', 'MOVE', 'LOCK', 'UNLOCK', 'REPORT', 'SEARCH', 'MKCALENDAR', 'ACL', 'BIND', 'UNBIND', 'REBIND',
  'MKACTIVITY', 'CHECKOUT', 'MERGE', 'LINK', 'UNLINK', 'PURGE', 'QUERY', 'TRACE', 'BREW',
]; // biome-ignore format: one list

const HOSTS = [
  'a.test', 'a.test', 'A.Test', 'a.test:8080', 'a.test:80', 'a.test.', 'x_y.b-c.test', 'xn--bcher-kva.test', '203.0.113.7',
  '203.0.113.7:81', '[2001:db8::1]', '[2001:db8:0:0::1]:8080', 'a.test:', '0xcb.0.113.7', `${'l'.repeat(63)}.test`,
]; // biome-ignore format: one list

const PATHS = [
  '/', '', '/index.html', '/a/b;c=d/e', '?q', '/?a=b&c[]=d', '/%7Euser/%E2%82%AC', '//', '/a//b', '/..%2f', "/!$&'()*+,;=:@",
  '/a|b', '/{x}', '/x^y`z', '/?"quoted"', '/<tag>', '/back\\slash', '/%zz', '/%', '/../x', '/./y', '/http://b.test/', '/-._~',
  `/${'p'.repeat(300)}`,
]; // biome-ignore format: one list

const FIELDS = [
  'User-Agent: agent/1.0 (x; y)', 'Accept: */*', 'accept-encoding: gzip, deflate', 'ACCEPT-LANGUAGE: en;q=0.8, *;q=0.1',
  'Cookie: a=b; c="d"', 'Cookie: e=f', 'Authorization: Basic dTpw', 'X-Empty:', 'X-Blank: ', 'X-Tabs:\tv\t', 'X-Wide:   v   ',
  'X-Tight:v', 'X-Colons: a:b::c', 'X-Obs: \xe9\xff\x85\xa0', 'X_Under: v', "!#$%&'*+-.^_`|~09: token", 'X-Quoted: "a, b\\"c"',
  'Range: bytes=0-9', 'If-None-Match: "x"', 'Referer: http://b.test/?x', 'Via: 1.1 somebody', 'Forwarded: for=192.0.2.1',
  'X-Forwarded-For: 192.0.2.1', 'Upgrade-Insecure-Requests: 1', 'TE: trailers', 'Trailer: X-Sum', 'Keep-Alive: timeout=5',
  'Proxy-Connection: keep-alive', 'Proxy-Authenticate: Basic', 'Connection: keep-alive', 'Connection: close',
  'Connection: X-Gone', 'X-Gone: 1', 'Connection: TE, X-Gone', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk', 'Max-Forwards: 5',
  'Max-Forwards: 0', 'Content-Type: text/plain', 'Content-Encoding: gzip', 'Expect: 100-continue', 'Date: x', 'constructor: x',
  '__proto__: y', 'toString: z', 'Proxy-Selector: session=abc', 'Cache-Control: no-cache', 'Pragma: no-cache', 'Origin: null',
]; // biome-ignore format: one list

const BODIES = [
  '', 'x', 'hello', '0\r\n\r\n', '\r\n', 'GET http://a.test/smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n', '\0\x01\xff\r\n\r\n',
  '5\r\nhello\r\n0\r\n\r\n', 'b'.repeat(700),
]; // biome-ignore format: one list

const EXTENSIONS = ['', '', '', ';a', ';a=b', ';a="q;\\"r"', ' ; a = b', ';a=b;c'];
const TRAILERS = ['', '', '', 'X-Sum: 1\r\n', 'Content-Length: 3\r\nHost: b.test\r\n'];

/** One to four requests in a row; all but a few carry the credential (a value of Proxy-Authorization). */
export function validStream(random: Random, authorization: string): string {
  const count = random.pick([1, 1, 1, 1, 2, 2, 3, 4]);
  let stream = random.oneIn(40) ? random.pick(['\r\n', '\r\n\r\n', '\r\n\r\n\r\n']) : '';
  for (let i = 0; i < count; i++) stream += request(random, authorization);
  return random.oneIn(30) ? stream + connectRequest(random, authorization) : stream;
}

function request(random: Random, authorization: string): string {
  const method = random.pick(METHODS);
  const host = random.pick(HOSTS);
  const minor = random.oneIn(12) ? 0 : 1;
  const scheme = random.oneIn(30) ? 'HTTP' : 'http';
  const target = method === 'OPTIONS' && random.oneIn(8) ? '*' : `${scheme}://${host}${random.pick(PATHS)}`;
  const { line, octets } = bodyOf(random, method, minor);
  const lines = [`Host: ${random.oneIn(8) ? random.pick(HOSTS) : host}`];
  if (!random.oneIn(60)) lines.push(`Proxy-Authorization: ${authorization}`);
  if (minor === 0 && random.oneIn(2)) lines.push('Connection: keep-alive');
  for (let i = random.below(6); i > 0; i--) lines.push(random.pick(FIELDS));
  if (random.oneIn(60)) for (let i = random.below(98); i > 0; i--) lines.push(`X-${i}: ${i}`);
  if (line !== null) lines.splice(random.below(lines.length + 1), 0, line);
  if (random.oneIn(3)) shuffle(random, lines);
  return `${method} ${target} HTTP/1.${minor}\r\n${lines.join('\r\n')}\r\n\r\n${octets}`;
}

/** The line that frames a body and its octets; null where none does. */
function bodyOf(random: Random, method: string, minor: number): { line: string | null; octets: string } {
  const bodiless = method === 'GET' || method === 'HEAD' || method === 'TRACE';
  if (bodiless ? !random.oneIn(25) : random.oneIn(5)) return { line: null, octets: '' };
  const body = random.pick(BODIES);
  if (minor === 0 || random.oneIn(2)) return { line: `Content-Length: ${body.length}`, octets: body };
  return { line: `Transfer-Encoding: ${random.oneIn(10) ? 'Chunked' : 'chunked'}`, octets: chunked(random, body) };
}

function chunked(random: Random, body: string): string {
  let octets = '';
  for (let pos = 0; pos < body.length; ) {
    const size = random.oneIn(2) ? body.length - pos : 1 + random.below(Math.min(20, body.length - pos));
    octets += `${hex(random, size)}${random.pick(EXTENSIONS)}\r\n${body.slice(pos, pos + size)}\r\n`;
    pos += size;
  }
  return `${octets}${hex(random, 0)}${random.pick(EXTENSIONS)}\r\n${random.pick(TRAILERS)}\r\n`;
}

function hex(random: Random, size: number): string {
  const digits = size.toString(16);
  if (random.oneIn(10)) return digits.padStart(1 + random.below(8), '0');
  return random.oneIn(6) ? digits.toUpperCase() : digits;
}

function connectRequest(random: Random, authorization: string): string {
  const minor = random.oneIn(5) ? 0 : 1;
  const authority = random.pick(['a.test:443', 'A.test.:8443', '[2001:db8::1]:443', '203.0.113.7:443']);
  const host = minor === 0 && random.oneIn(2) ? [] : [`Host: ${authority}`];
  const lines = [...host, `Proxy-Authorization: ${authorization}`, random.pick(FIELDS)];
  const early = random.pick(['', '\x16\x03\x01\x02\0\x01', 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n']);
  return `CONNECT ${authority} HTTP/1.${minor}\r\n${lines.join('\r\n')}\r\n\r\n${early}`;
}

function shuffle(random: Random, list: string[]): void {
  for (let i = list.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [list[i], list[j]] = [list[j]!, list[i]!];
  }
}
