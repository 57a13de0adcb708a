import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Endpoint } from '../../../../client/session-list/endpoint.ts';
import { parsePlainLine } from '../../../../client/session-list/plain-line.ts';

const PLACE = { scheme: 'http', host: '203.0.113.7', port: 8080 };
const NAMED = { ...PLACE, username: 'anna', password: 's3cret' };

describe('each common shape of a line', () => {
  test.each([
    ['203.0.113.7:8080', { ...PLACE, username: null, password: null }],
    ['203.0.113.7:8080:anna:s3cret', NAMED],
    ['anna:s3cret@203.0.113.7:8080', NAMED],
    ['203.0.113.7:8080@anna:s3cret', NAMED],
    ['anna:s3cret:203.0.113.7:8080', NAMED],
    ['203.0.113.7 8080 anna s3cret', NAMED],
    ['203.0.113.7,8080,anna,s3cret', NAMED],
    ['203.0.113.7;8080;anna;s3cret', NAMED],
    ['203.0.113.7|8080|anna|s3cret', NAMED],
    ['203.0.113.7\t8080\tanna\ts3cret', NAMED],
    ['203.0.113.7:8080 anna s3cret', NAMED],
    ['203.0.113.7:8080 anna:s3cret', NAMED],
    ['203.0.113.7:8080,anna,s3cret', NAMED],
    ['http://anna:s3cret@203.0.113.7:8080', NAMED],
    ['http://anna:s3cret@203.0.113.7:8080/', NAMED],
    ['HTTP://203.0.113.7:8080:anna:s3cret', NAMED],
    ['http 203.0.113.7 8080 anna s3cret', NAMED],
    ['203.0.113.7:8080:anna', { ...NAMED, password: null }],
    ['anna@203.0.113.7:8080', { ...NAMED, password: null }],
    ['socks5://anna:s3cret@203.0.113.7:8080', { ...NAMED, scheme: 'socks5' }],
    ['socks://203.0.113.7:8080:anna:s3cret', { ...NAMED, scheme: 'socks5' }],
    ['203.0.113.7 8080 anna s3cret SOCKS5', { ...NAMED, scheme: 'socks5' }],
    ['203.0.113.7:8080 https', { ...PLACE, scheme: 'https', username: null, password: null }],
    [
      'gate.vendor.test:7000:anna-session-1:s3cret',
      { ...NAMED, host: 'gate.vendor.test', port: 7000, username: 'anna-session-1' },
    ],
    ['[2001:db8::1]:8080', { ...PLACE, host: '2001:db8::1', username: null, password: null }],
    ['[2001:db8::1]:8080:anna:s3cret', { ...NAMED, host: '2001:db8::1' }],
    ['anna:s3cret@[2001:db8::1]:8080', { ...NAMED, host: '2001:db8::1' }],
    ['localhost:3128', { ...PLACE, host: 'localhost', port: 3128, username: null, password: null }],
  ])('%s', (line, expected) => {
    expect(parsePlainLine(line, 'http')).toEqual({ token: null, labels: {}, ...expected });
  });
});

describe('a password may hold what parts the fields elsewhere', () => {
  test.each([
    ['203.0.113.7:8080:anna:a:b@c', 'a:b@c'],
    ['anna:a:b@c@203.0.113.7:8080', 'a:b@c'],
    ['anna:a:b:203.0.113.7:8080', 'a:b'],
    ['anna:1234@203.0.113.7:8080', '1234'],
    ['203.0.113.7:8080@anna:1234', '1234'],
    ['203.0.113.7:8080:anna:1234', '1234'],
    ['anna:1234:203.0.113.7:8080', '1234'],
    ['http://anna:p%40ss%3A@203.0.113.7:8080', 'p@ss:'],
    ['http://anna:100%@203.0.113.7:8080', '100%'],
    ['anna:p%40ss@203.0.113.7:8080', 'p%40ss'],
  ])('%s', (line, password) => {
    expect(parsePlainLine(line, 'http')).toMatchObject({ ...PLACE, username: 'anna', password });
  });
});

describe('what is no upstream is told in a sentence', () => {
  test.each([
    ['203.0.113.7', 'there is no port'],
    ['203.0.113.7:0', 'there is no port'],
    ['203.0.113.7:65536', 'there is no port'],
    ['203.0.113.7:http', 'there is no port'],
    [':8080', 'there is no port'],
    ['anna:s3cret', 'there is no port'],
    ['anna:s3cret@203.0.113.7', 'there is no port'],
    ['2001:db8:0:0:0:0:0:1:8080', 'brackets'],
    ['ftp://203.0.113.7:21', 'its scheme'],
    ['203.0.113.7 8080 anna s3cret and more', 'more fields'],
    ['203.0.113.7:8080::s3cret', 'no user name'],
  ])('%s', (line, sentence) => {
    expect(parsePlainLine(line, 'http')).toMatchObject({ problem: expect.stringContaining(sentence) });
  });

  test('and never quotes the line', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 6 }), (secret) => {
        const found = parsePlainLine(`x:${secret}`, 'http');
        if ('problem' in found) expect(found.problem).not.toContain(secret);
      }),
    );
  });
});

describe('whatever is written in a shape is read from it', () => {
  const word = fc.stringMatching(/^[a-z][a-z0-9_-]{0,20}$/);
  const host = fc.oneof(fc.ipV4(), fc.domain());
  const endpoint = fc.record({ host, port: fc.integer({ min: 1, max: 65_535 }), username: word, password: word });
  const shapes: readonly ((e: Pick<Endpoint, 'host' | 'port' | 'username' | 'password'>) => string)[] = [
    (e) => `${e.host}:${e.port}:${e.username}:${e.password}`,
    (e) => `${e.username}:${e.password}@${e.host}:${e.port}`,
    (e) => `${e.host}:${e.port}@${e.username}:${e.password}`,
    (e) => `${e.username}:${e.password}:${e.host}:${e.port}`,
    (e) => `${e.host} ${e.port} ${e.username} ${e.password}`,
    (e) => `socks5://${e.username}:${e.password}@${e.host}:${e.port}`,
  ];

  test.each(shapes.map((shape, i) => [i, shape] as const))('shape %i', (_, shape) => {
    fc.assert(
      fc.property(endpoint, (wanted) => {
        // A scheme's name as a user name or password is one of the words that stand for schemes.
        fc.pre(![wanted.username, wanted.password].some((each) => /^(?:https?|socks\w*|connect)$/.test(each)));
        expect(parsePlainLine(shape(wanted), 'http')).toMatchObject(wanted);
      }),
    );
  });
});
