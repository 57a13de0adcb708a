import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ListEntry, ListReader } from '../../../../client/session-list/list-reader.ts';

/** Reads a text in pieces of so many characters. */
function read(text: string, size = text.length || 1, scheme = 'http') {
  const reader = new ListReader(scheme);
  const entries: ListEntry[] = [];
  for (let at = 0; at < text.length; at += size) entries.push(...reader.push(text.slice(at, at + size)));
  entries.push(...reader.end());
  return { reader, entries };
}

const hostsOf = (entries: readonly ListEntry[]) =>
  entries.map(({ number, found }) => [number, 'problem' in found ? 'problem' : found.host]);

describe('a plain list', () => {
  const TEXT =
    '\uFEFF# ours\r\n203.0.113.7:80\r\n\r\n  203.0.113.8:80:anna:s3cret  # the second\nnonsense\r203.0.113.9:80';

  test('is read line by line, whatever ends a line, and tells the number of each', () => {
    const { reader, entries } = read(TEXT);
    expect(reader.kind).toBe('plain');
    expect(hostsOf(entries)).toEqual([
      [2, '203.0.113.7'],
      [4, '203.0.113.8'],
      [5, 'problem'],
      [6, '203.0.113.9'],
    ]);
    expect(entries[1]!.found).toMatchObject({ username: 'anna', password: 's3cret' });
  });

  test('of nothing has nothing', () => {
    for (const text of ['', '\n\n', '# a comment']) expect(read(text).entries).toEqual([]);
  });

  test('has the scheme that the list has', () => {
    expect(read('203.0.113.7:80', 99, 'socks5').entries[0]!.found).toMatchObject({ scheme: 'socks5' });
  });

  test('goes on behind a line that is longer than any upstream', () => {
    const { entries } = read(`203.0.113.7:80\n${'x'.repeat(200_000)}\n203.0.113.8:80\n`, 1_000);
    expect(hostsOf(entries)).toEqual([
      [1, '203.0.113.7'],
      [2, 'problem'],
      [3, '203.0.113.8'],
    ]);
  });
});

describe('a CSV', () => {
  test('is told by its header, in any order, with any separator, and quoted where it must be', () => {
    const text =
      'Port;Proxy Address;Username;Password;Country Code;Speed\n8080;203.0.113.7;anna;"s3;cr""et";US;fast\n\n81;;;;;\n';
    const { reader, entries } = read(text);
    expect(reader.kind).toBe('csv');
    expect(reader.table?.unknown).toEqual(['Speed']);
    expect(hostsOf(entries)).toEqual([
      [2, '203.0.113.7'],
      [4, 'problem'],
    ]);
    expect(entries[0]!.found).toMatchObject({ port: 8080, password: 's3;cr"et', labels: { country: 'us' } });
  });

  test('whose rows are not whole is read as far as they go', () => {
    const { entries } = read(
      'host,port,username,password\n203.0.113.7,80\n203.0.113.8,80,"anna\n203.0.113.9,80,a,b,c\n',
    );
    expect(entries.map(({ found }) => found)).toMatchObject([
      { host: '203.0.113.7', username: null },
      { host: '203.0.113.8', username: 'anna' },
      { host: '203.0.113.9', password: 'b' },
    ]);
  });

  test('without a header is a plain list', () => {
    expect(read('203.0.113.7,8080,anna,s3cret').reader.kind).toBe('plain');
  });
});

test('of a squid.conf its parents alone are read', () => {
  const { reader, entries } = read(
    'http_port 3128\ncache_peer 203.0.113.7 parent 80 0 no-query\nhttp_access deny all\n',
  );
  expect(reader.kind).toBe('squid');
  expect(hostsOf(entries)).toEqual([[2, '203.0.113.7']]);
});

describe('JSON', () => {
  test('is read when it is whole, and numbers its entries', () => {
    const { reader, entries } = read('\n[ "203.0.113.7:80", 3, {"host": "203.0.113.8", "port": 80} ]\n', 7);
    expect(reader.kind).toBe('json');
    expect(hostsOf(entries)).toEqual([
      [1, '203.0.113.7'],
      [2, 'problem'],
      [3, '203.0.113.8'],
    ]);
  });

  test('that is broken is one problem', () => {
    expect(hostsOf(read('{"proxies": [').entries)).toEqual([[1, 'problem']]);
  });

  test('that is too long is told of once, however much of it comes', () => {
    const reader = new ListReader();
    const piece = ' '.repeat(1_024 * 1_024);
    const entries = reader.push('["203.0.113.7:80"');
    for (let n = 0; n < 200; n++) entries.push(...reader.push(piece));
    entries.push(...reader.push(']'), ...reader.end());
    expect(entries).toEqual([{ number: 1, found: { problem: expect.stringContaining('more than 64 MiB') } }]);
  });

  test('is no list of addresses in brackets', () => {
    expect(read('[2001:db8::1]:80').reader.kind).toBe('plain');
  });
});

test('how a text is cut changes nothing of what it says', () => {
  const line = fc.constantFrom(
    '203.0.113.7:80',
    '',
    '# x',
    'nonsense',
    'anna:s3cret@203.0.113.8:81',
    'host,port',
    ' [',
  );
  const end = fc.constantFrom('\n', '\r\n', '\r');
  const lines = fc.array(fc.tuple(line, end), { maxLength: 12 }).map((parts) => parts.flat().join(''));
  const json = fc.constantFrom('\n[ "203.0.113.7:80", 3 ]', ' {"proxies": []}', '[', '[2001:db8::1]:80\n', '[]');
  fc.assert(
    fc.property(fc.oneof(lines, json), fc.integer({ min: 1, max: 9 }), (whole, size) => {
      expect(read(whole, size).entries).toEqual(read(whole).entries);
    }),
    { numRuns: 1_000 },
  );
});
