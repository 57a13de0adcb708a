/** Every parser of ours as a target of fuzzing: what inputs begin with, words that mean something to it, and its check. */
import { ConnectReply } from '../../gateway/connect-reply.ts';
import { BodyReader } from '../../gateway/http1/framing.ts';
import { ReplyMemo } from '../../gateway/http1/head-memo.ts';
import { parseReplyHead } from '../../gateway/http1/reply-head.ts';
import { parseRequestHead } from '../../gateway/http1/request-head.ts';
import { Socks4Dial } from '../../gateway/socks4-dial.ts';
import { Socks5Dial } from '../../gateway/socks5-dial.ts';
import { defaultLimits } from '../../src/core/limits.ts';
import type { Route } from '../../src/core/model.ts';
import {
  checkBody,
  checkHandshake,
  checkReplyHead,
  checkRequestHead,
  checkSocksClient,
  type ParserCheck,
} from './octet-checks.ts';
import type { Random } from './random.ts';
import {
  checkAddress,
  checkCredentials,
  checkDestination,
  checkNetworks,
  checkSelector,
  checkSettings,
  checkTarget,
  checkTemplate,
  checkVia,
} from './text-checks.ts';

export interface ParserTarget {
  /** Latin1 text, one character an octet. */
  readonly seeds: readonly string[];
  readonly words: readonly string[];
  readonly check: ParserCheck;
  /** The parser without its check, where that reads the input several times: what is timed when the check took long. */
  readonly alone?: (octets: Buffer) => unknown;
}

/** What one reading of an input takes, in ms; the whole check where the parser has no shorter way. */
export function timeAlone({ check, alone }: ParserTarget, octets: Buffer, random: Random): number {
  const started = performance.now();
  if (alone === undefined) check(octets, random);
  else alone(octets);
  return performance.now() - started;
}

const route = { authorization: 'Basic dTpw', tunnelled: false } as Route;
const place = { host: 'a.test', port: 443 };
const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'];
const fields = [
  'Host: a.test\r\n',
  'Content-Length: 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Connection: close, X\r\n',
  'X: y\r\n',
];
const ends = ['\r\n', '\r\n\r\n', ' ', '\t', ':', ',', ';', '\0'];

/** By name; their order and number decide which input goes to which. */
export const PARSERS: Readonly<Record<string, ParserTarget>> = {
  'request head': {
    seeds: [
      'GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n',
      'POST http://[2001:db8::1]:81/x?y HTTP/1.1\r\nhost: a\r\nContent-Length: 5\r\nX: \xff\r\n\r\nhello',
      'CONNECT a.test:443 HTTP/1.0\r\n\r\n\x16\x03\x01',
      'OPTIONS http://a.test HTTP/1.1\r\nHost: a.test\r\nMax-Forwards: 3\r\nConnection: X\r\nX: 1\r\nTE: trailers\r\n\r\n',
      'PUT http://127.1/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n',
      'GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    ],
    words: [...fields, ...ends, ...names.map((name) => `${name}: x\r\n`), 'HTTP/1.1', 'http://', 'Max-Forwards: 0\r\n'],
    check: checkRequestHead,
    alone: (octets) => parseRequestHead(octets, 0, defaultLimits),
  },
  'reply head': {
    seeds: [
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
      'HTTP/1.0 404\r\nServer: x\r\n\r\n',
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\nX: \xe9\r\n\r\n',
      'HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\nConnection: X\r\nX: 1\r\nKeep-Alive: 5\r\n\r\n0\r\n\r\n',
      'HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    ],
    words: [...fields, ...ends, 'HTTP/1.1 ', '099', '600', '304', 'Proxy-Authenticate: Basic\r\n'],
    check: checkReplyHead,
    alone: (octets) => parseReplyHead(octets, 0, 'GET', defaultLimits),
  },
  body: {
    seeds: [
      '5\r\nhello\r\n0\r\n\r\n',
      'A;x=y\r\n0123456789\r\n00\r\nX: y\r\nZ: \xff\r\n\r\nGET',
      'ff\r\nshort',
      '1\r\na\r\n2;\r\nbc\r\n0;"x"\r\n\r\n',
    ],
    words: [
      '+',
      '-',
      '_',
      '0x',
      '0\r\n\r\n',
      '5\r\n',
      '000000000000',
      'fffffffffff',
      ';',
      ';a="b"',
      'X: y\r\n',
      ...ends,
    ],
    check: checkBody,
    alone: (octets) => new BodyReader('chunked').read(octets, () => undefined),
  },
  'CONNECT reply': {
    seeds: [
      'HTTP/1.1 200 Connection established\r\n\r\nSSH-2.0',
      'HTTP/1.1 103 Hints\r\nX: y\r\n\r\nHTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n',
      'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\nContent-Length: 5\r\n\r\nhello',
    ],
    words: ['HTTP/1.1 100 \r\n\r\n', ' 200 ', ' 502 ', ...fields, ...ends],
    check: checkHandshake(() => new ConnectReply(defaultLimits, new ReplyMemo(), route, place)),
  },
  target: {
    seeds: [
      'http://a.test/',
      'http://a.test:81/x?y',
      'HTTP://[::1]:8/',
      'a.test:443',
      '[2001:DB8::1]:443',
      'http://0x7f.1/',
      'A_b.test.:1',
    ],
    words: [
      '127.1',
      '0x7f',
      '017700000001',
      '[::ffff:1.2.3.4]',
      '%25',
      '@',
      '#',
      '\\',
      '..',
      ':65536',
      ':0',
      'xn--',
      '::',
    ],
    check: checkTarget,
  },
  credentials: {
    seeds: [
      `Basic ${btoa('default-session-a:sp_live_x')}`,
      'Bearer sp_live_x',
      `basic  ${btoa('key:')}`,
      'Basic !!',
      'Digest x',
    ],
    words: ['Basic ', 'Bearer ', '=', '==', '+/', ...ends, btoa('pool-session-x:'), btoa(':')],
    check: checkCredentials,
  },
  selector: {
    seeds: [
      'residential-session-checkout1',
      'default',
      '',
      'a-b-session-x-session-y',
      'pool=x; session=abc',
      'session=a%41',
      'p-country-us,de-city-new%20york',
      'p-cc-us-isp-a-type-b-provider-Acme-ttl-5m-strict-true-account-x',
      'country=us,de; lifetime=90s; provider=B%C3%BC; strict=false',
    ],
    words: [
      '-session-',
      '-sessid-',
      '-account-',
      '-cc-',
      '-provider-',
      '-ttl-',
      '-strict-',
      'true',
      '9',
      ',',
      ' ',
      '%',
      '%2d',
      '%c3%28',
      ';',
      '=',
      ...names,
      '-session',
      'session-',
    ],
    check: checkSelector,
  },
  Via: {
    seeds: [
      'Via: 1.1 sallyport-x\r\n',
      'X: y\r\nvia: 1.0 a, HTTP/1.1 b (sallyport-x),1.1\tsallyport-x\r\n',
      'Via:\r\n',
    ],
    words: ['sallyport-x', 'Via:', ',', '1.1 ', '(', ')', ...ends],
    check: checkVia,
  },
  destination: {
    seeds: [
      'example.com',
      '.example.com:443',
      ':25',
      '203.0.113.0/24',
      '[2001:db8::/32]:443',
      '::ffff:10.0.0.0/104',
      '10.0.0.1:80',
    ],
    words: ['/0', '/33', '/128', '::', '[', ']', ':', '.', '0x7f', '\u212a', '1.2.3.4', 'xn--'],
    check: checkDestination,
  },
  address: {
    seeds: ['127.0.0.1', '::1', '2001:db8::1', '::ffff:10.0.0.1', '64:ff9b::7f00:1', 'fe80::1%eth0', '1.2.3'],
    words: ['::', ':', '.', '0', 'ffff', '%', '256', '00', '::ffff:', '1.2.3.4'],
    check: checkAddress,
  },
  template: {
    seeds: [
      'acme-{username}[-country-{country}]-session-{token}',
      '{username}-res-[{country}|any]',
      '[a-z0-9]{8,16}',
      '{token}',
      '[A-Z_~.-]{4}',
    ],
    words: ['{', '}', '[', ']', '|', '{token}', '[{city}]', '{0,5}', '-', '{password}', '[|]'],
    check: checkTemplate,
  },
  networks: {
    seeds: ['10.0.0.0/8, fd00::/8', '::1', '::ffff:10.0.0.0/104,192.0.2.1', '0.0.0.0/0'],
    words: [',', '::,', '/', '/0', '/129', '::ffff:', '1.2.3.4', '%lo', '[', ' '],
    check: checkNetworks,
  },
  settings: {
    seeds: [
      '127.0.0.1:3128,[::1]:3128',
      '30s',
      '1.5h',
      '16KiB',
      '10.0.0.0/8, fd00::/8',
      'https://api.example/v1',
      '018f8c20-0000-7000-8000-00000000000a',
      '9.9.9.9:53',
    ],
    words: [',', ':', '[', ']', ':65536', 'ms', 'GiB', '.', '/', '@', '#', '?', ' ', '%lo'],
    check: checkSettings,
  },
  'SOCKS5 client': {
    seeds: [
      '\x05\x01\x02',
      '\x05\x02\0\x02',
      '\x01\x04user\x04pass',
      '\x05\x01\0\x03\x06a.test\x01\xbb',
      '\x05\x01\0\x01\x7f\0\0\x01\0\x50',
      `\x05\x01\0\x04${'\0'.repeat(15)}\x01\0\x50`,
    ],
    words: ['\x05', '\x01', '\0', '\x03', '\xff', '\x04', 'a.test', '127.1', '\xff'.repeat(255)],
    check: checkSocksClient,
  },
  'SOCKS5 upstream': {
    seeds: [
      '\x05\x02\x01\0\x05\0\0\x01\0\0\0\0\0\0SSH',
      `\x05\x02\x01\0\x05\0\0\x03\x04nameppdata`,
      '\x05\xff',
      '\x05\x02\x01\x01',
      '\x05\x02\x01\0\x05\x05',
    ],
    words: ['\x05', '\0', '\x01', '\x02', '\x03', '\x04', '\xff', '\x05\0\0\x03\xff'],
    check: checkHandshake(() => new Socks5Dial((done) => done(place), { username: 'u', password: 'p' })),
  },
  'SOCKS4 upstream': {
    seeds: ['\0\x5a\0\0\0\0\0\0SSH', '\0\x5b\0\0\0\0\0\0', '\0\x5d\0', '\x04\x5a'],
    words: ['\0', '\x5a', '\x5b', '\xff', '\x04'],
    check: checkHandshake(() => new Socks4Dial((done) => done(place), 'u')),
  },
};
