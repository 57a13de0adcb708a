/** Targets of probes: one spelling for what means the same, and nothing that would break a line of a head. */
import { describe, expect, test } from 'vitest';
import { formatProbeTarget, parseProbeAuthority, parseProbeUrl } from '../../../src/core/probe-target.ts';

describe('of a handshake', () => {
  test.each([
    ['Example.COM.:443', 'example.com:443', 'example.com'],
    ['203.0.113.7:80', '203.0.113.7:80', '203.0.113.7'],
    ['[2001:DB8::0:1]:8443', '[2001:db8::1]:8443', '2001:db8::1'],
    ['[::ffff:203.0.113.7]:80', '203.0.113.7:80', '203.0.113.7'],
  ])('%s is %s', (text, canonical, host) => {
    const target = parseProbeAuthority(text);
    expect(target).toMatchObject({ host, secure: false, path: '' });
    if (typeof target !== 'string') expect(formatProbeTarget(target)).toBe(canonical);
    expect(parseProbeAuthority(canonical)).toEqual(target);
  });

  test.each([
    ...['', 'example.com', ':443', '.example.com:443', '203.0.113.0/24:443', '203.0.113.7/32:443', 'a:0', 'a:65536'],
    ...['127.1:80', 'a b:80', 'a\r\nb:80', 'user@a:80', 'http://a:80', '2001:db8::1', '１２７.0.0.1:80'],
  ])('%j is none', (text) => {
    expect(parseProbeAuthority(text)).toMatch(/^must be host:port/);
  });
});

describe('of a request', () => {
  test.each([
    ['http://example.com', 'http://example.com/', 80],
    ['HTTPS://Example.com.:443/a?b=c', 'https://example.com/a?b=c', 443],
    ['http://[2001:DB8::1]:8080/x/../y', 'http://[2001:db8::1]:8080/y', 8_080],
    ['https://a.test:80/?', 'https://a.test:80/', 80],
    ['http://127.1/', 'http://127.0.0.1/', 80],
    ['http://a.test/"<>', 'http://a.test/%22%3C%3E', 80],
  ])('%s is %s', (text, canonical, port) => {
    const target = parseProbeUrl(text);
    if (typeof target === 'string') throw new Error(target);
    expect([formatProbeTarget(target), target.port]).toEqual([canonical, port]);
    expect(parseProbeUrl(canonical)).toEqual(target);
  });

  test.each([
    ...['', 'example.com', 'ftp://a.test/', 'http:a.test', 'http:///a', 'http://', 'http://a.test:0/', 'http://a b/'],
    ...['http://a.test/\r\nX: y', 'http://a.test/\t', 'http:\\\\a.test', 'http://é.test/', ' http://a.test'],
    `http://a.test/${'x'.repeat(2_048)}`,
  ])('%j is none', (text) => {
    expect(parseProbeUrl(text)).toMatch(/^must be an http or https URL/);
  });

  test.each(['http://u@a.test/', 'http://u:p@a.test/', 'http://@a.test/', 'https://a.test/#', 'https://a.test/#x'])(
    '%s has what no probe has',
    (text) => {
      expect(parseProbeUrl(text)).toMatch(/without a user, a password and a fragment/);
    },
  );
});
