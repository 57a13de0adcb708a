/** Lines of a squid.conf, lists in JSON, and records by the names of their values. */
import { describe, expect, test } from 'vitest';
import { isProblem, tokenFor } from '../../../../client/session-list/endpoint.ts';
import { parseJsonList } from '../../../../client/session-list/json-list.ts';
import { parseRecord } from '../../../../client/session-list/record.ts';
import { isSquidLine, parseSquidLine } from '../../../../client/session-list/squid-line.ts';

const PLACE = { scheme: 'http', host: '203.0.113.7', port: 8080 };
const NAMED = { ...PLACE, username: 'anna', password: 's3cret' };
const problemOf = (sentence: string) => ({ problem: expect.stringContaining(sentence) });

/** Every entry of a JSON list. */
function found(list: unknown) {
  const entries = parseJsonList(JSON.stringify(list), 'http');
  if ('problem' in entries) throw new Error(entries.problem);
  return entries.flat();
}

describe('a cache_peer', () => {
  test.each([
    ['cache_peer 203.0.113.7 parent 8080 0 no-query', { ...PLACE, username: null, password: null, token: null }],
    ['cache_peer 203.0.113.7 parent 8080 0 login=anna:s3cret name=exit-1 round-robin', { ...NAMED, token: 'exit-1' }],
    ['\tcache_peer  203.0.113.7 parent 8080 7 default login=anna:100%%%20x', { ...NAMED, password: '100% x' }],
    ['cache_peer 203.0.113.7 parent 8080 0 tls login=anna:s3cret', { ...NAMED, scheme: 'https' }],
    ['cache_peer 203.0.113.7 parent 8080 0 login=anna', { ...NAMED, password: null }],
  ])('%s', (line, expected) => {
    expect(parseSquidLine(line)).toMatchObject(expected);
  });

  test.each([
    ['cache_peer 203.0.113.7 sibling 8080 0', 'parent'],
    ['cache_peer 203.0.113.7 parent', 'no port'],
    ['cache_peer 203.0.113.7 parent 8080 0 login=PASS', 'login'],
    ['cache_peer 203.0.113.7 parent 8080 0 login=PASSTHRU', 'login'],
    ['cache_peer 203.0.113.7 parent 8080 0 login=*:s3cret', 'login'],
  ])('%s is told why not', (line, sentence) => {
    expect(parseSquidLine(line)).toMatchObject(problemOf(sentence));
  });

  test('stands in a squid.conf, which is told by its first line, and of which all else is passed over', () => {
    for (const line of ['http_port 3128', '  cache_peer a.test parent 80 0', 'acl lan src 10.0.0.0/8']) {
      expect(isSquidLine(line)).toBe(true);
    }
    for (const line of ['203.0.113.7:80', '# cache_peer a.test parent 80 0', 'a.test 80 anna s3cret', 'via.test 80']) {
      expect(isSquidLine(line)).toBe(false);
    }
    expect(parseSquidLine('http_port 3128')).toBeNull();
    expect(parseSquidLine('never_direct allow all')).toBeNull();
  });
});

describe('a list in JSON', () => {
  test('of lines, of objects by any of their usual names, and of addresses with a port in them', () => {
    const rows = [
      '203.0.113.7:8080:anna:s3cret',
      { host: '203.0.113.7', port: 8080, username: 'anna', password: 's3cret' },
      { ip: '203.0.113.7', port: '8080', user: 'anna', pass: 's3cret' },
      {
        proxy_address: '203.0.113.7',
        port: 8080,
        'Proxy Username': 'anna',
        proxyPassword: 'x',
        proxy_password: 's3cret',
      },
      { server: 'http://203.0.113.7:8080', login: 'anna', password: 's3cret' },
      { proxy: 'anna:s3cret@203.0.113.7:8080' },
    ];
    expect(found(rows)).toEqual(rows.map(() => ({ ...NAMED, token: null, labels: {} })));
  });

  test('as Scrapoxy answers of a proxy list', () => {
    const freeproxies = [
      {
        id: '0b765994-cad3-4b1a-ba65-3af27e69ef47:203.0.113.7:8080',
        type: 'socks5',
        key: '203.0.113.7:8080',
        address: { hostname: '203.0.113.7', port: 8080 },
        auth: { username: 'anna', password: 's3cret' },
      },
      { type: 'http', key: '203.0.113.8:8080', address: { hostname: '203.0.113.8', port: 8080 }, auth: null },
    ];
    expect(found({ sources: [], freeproxies })).toMatchObject([
      { ...NAMED, scheme: 'socks5', token: '203.0.113.7:8080' },
      { ...PLACE, host: '203.0.113.8', username: null, token: '203.0.113.8:8080' },
    ]);
  });

  test('as Bright Data’s Proxy Manager keeps its ports', () => {
    const list = {
      _defaults: { customer: 'acme', password: 'd3fault' },
      proxies: [
        { port: 24_000, zone: 'isp', country: 'US', session: 'a1' },
        { port: 24_001, zone: 'gen', password: 'own', state: 'fl', city: 'miami' },
        {
          port: 24_002,
          ext_proxies: ['203.0.113.7', 'anna:own@203.0.113.8:81'],
          ext_proxy_username: 'bob',
          ext_proxy_password: 'p',
          ext_proxy_port: 3128,
        },
        { port: 24_003 },
      ],
    };
    const gateway = { scheme: 'http', host: 'brd.superproxy.io', port: 33_335 };
    expect(found(list)).toMatchObject([
      {
        ...gateway,
        token: 'port-24000',
        username: 'brd-customer-acme-zone-isp-country-US-session-a1',
        password: 'd3fault',
        labels: { country: 'us' },
      },
      {
        ...gateway,
        token: 'port-24001',
        username: 'brd-customer-acme-zone-gen-state-fl-city-miami',
        password: 'own',
        labels: {},
      },
      { host: '203.0.113.7', port: 3128, username: 'bob', password: 'p' },
      { host: '203.0.113.8', port: 81, username: 'anna', password: 'own' },
      problemOf('zone'),
    ]);
  });

  test.each([
    ['{"proxies": 3}', 'no array'],
    ['{"a": ', 'begins like JSON'],
    ['{}', 'no array'],
  ])('%s is none', (text, sentence) => {
    expect(parseJsonList(text, 'http')).toMatchObject(problemOf(sentence));
  });

  test('with entries that are nothing tells of each, and goes on', () => {
    expect(found([7, null, [], {}, { host: 'a.test', port: 0 }, '203.0.113.7:8080'])).toMatchObject([
      ...[problemOf('no object'), problemOf('no object'), problemOf('no object')],
      ...[problemOf('no host'), problemOf('port'), PLACE],
    ]);
  });
});

describe('a record', () => {
  test('has labels by the usual names and by its own word for them', () => {
    const record = {
      host: '203.0.113.7',
      port: '8080',
      Country: 'DE',
      'City Name': 'Berlin',
      'label:team': 'red',
      x: 'y',
    };
    expect(parseRecord(record, 'http')).toMatchObject({ labels: { country: 'de', city: 'berlin', team: 'red' } });
  });

  test('has the scheme it names, or the one of the list', () => {
    const record = { host: '203.0.113.7', port: '8080' };
    expect(parseRecord({ ...record, type: 'SOCKS5' }, 'http')).toMatchObject({ scheme: 'socks5' });
    expect(parseRecord({ ...record, protocol: 'HTTP(S)' }, 'socks5')).toMatchObject({ scheme: 'http' });
    expect(parseRecord(record, 'socks5')).toMatchObject({ scheme: 'socks5' });
    expect(parseRecord({ ...record, protocol: 'quic' }, 'http')).toMatchObject(problemOf('scheme'));
    expect(parseRecord({ ...record, type: 'Residential' }, 'http')).toMatchObject({
      scheme: 'http',
      labels: { type: 'residential' },
    });
  });
});

describe('the token of a session that its list does not name', () => {
  const token = (over: object) => tokenFor({ token: null, ...NAMED, labels: {}, ...over });

  test.each([
    [{}, 'anna@203.0.113.7:8080'],
    [{ username: null, password: null }, '203.0.113.7:8080'],
    [{ scheme: 'socks5' }, 'socks5://anna@203.0.113.7:8080'],
    [{ host: '2001:db8::1', username: null }, '[2001:db8::1]:8080'],
    [{ username: 'anna b/ü' }, 'anna%20b%2F%C3%BC@203.0.113.7:8080'],
    [{ token: 'my-exit' }, 'my-exit'],
  ])('%j: %s', (over, expected) => {
    expect(token(over)).toBe(expected);
  });

  test('is never of the password, and no longer than a token may be', () => {
    expect(token({})).toBe(token({ password: 'another' }));
    const long = token({ username: 'x'.repeat(300) });
    expect(typeof long === 'object' && isProblem(long)).toBe(true);
  });
});
