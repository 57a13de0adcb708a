import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HeadMemo, ReplyMemo } from '../../../../gateway/http1/head-memo.ts';
import { parseReplyHead, type ReplyHead } from '../../../../gateway/http1/reply-head.ts';
import { parseRequestHead } from '../../../../gateway/http1/request-head.ts';
import { defaultLimits } from '../../../../src/core/limits.ts';

const lines = fc.constantFrom(
  'GET http://a.test/ HTTP/1.1',
  'GET http://a.test/other HTTP/1.1',
  'GET http://b.test/ HTTP/1.0',
  'POST http://a.test/ HTTP/1.1',
  'CONNECT a.test:443 HTTP/1.1',
  'OPTIONS http://a.test HTTP/1.1',
  'GET http://a\r.test/ HTTP/1.1',
  'TRACE http://a.test/ HTTP/1.1',
);
const sections = fc.constantFrom(
  '\r\nHost: a.test\r\n\r\n',
  '\r\nHost: a.test\r\nX: 1\r\n\r\n',
  '\r\nHost: a.test\r\nX: 2\r\n\r\n',
  '\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nok',
  '\r\nHost: a.test\r\nX: 1\r\n',
  '\nHost: a.test\r\n\r\n',
  '\r\nHost: a.test\r\nConnection: close, x\r\nMax-Forwards: 1\r\n\r\n',
  '\r\n\r\n',
);
const head = fc.tuple(lines, sections).map((parts) => Buffer.from(parts.join(''), 'latin1'));

describe('what the fields before are remembered', () => {
  test('changes nothing of what a head means, whatever came on the connection before', () => {
    fc.assert(
      fc.property(fc.array(head, { maxLength: 12 }), (heads) => {
        const memo = new HeadMemo();
        for (const octets of heads) {
          const alone = parseRequestHead(octets, 0, defaultLimits);
          expect(parseRequestHead(octets, 0, defaultLimits, memo)).toEqual(alone);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('is nothing before the second head, no more than a kilobyte, and never a part of a section', () => {
    const memo = new HeadMemo();
    const read = (fields: string): void => {
      const octets = Buffer.from(`GET http://a.test/ HTTP/1.1\r\n${fields}\r\n`);
      parseRequestHead(octets, 0, defaultLimits, memo);
    };
    read('Host: a.test\r\n');
    expect(memo.length).toBe(0);
    read('Host: a.test\r\n');
    expect(memo.length).toBe('Host: a.test\r\n\r\n'.length);
    read(`Host: a.test\r\nX: ${'x'.repeat(1_024)}\r\n`);
    expect(memo.length).toBe('Host: a.test\r\n\r\n'.length);
    expect(memo.find(Buffer.from('Host: a.test\r\n\r'), 0)).toBeNull();
    expect(memo.find(Buffer.from('Host: a.test\r\n\r\nGET'), 0)).toMatchObject({ host: 'a.test' });
  });

  test('is as strict with the size of a head', () => {
    const memo = new HeadMemo();
    const limits = { ...defaultLimits, maxHeadBytes: 60 };
    const octets = (path: string) => Buffer.from(`GET http://a.test/${path} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
    for (const path of ['', '', 'x'.repeat(13), 'x'.repeat(14), 'x'.repeat(15)]) {
      expect(parseRequestHead(octets(path), 0, limits, memo)).toEqual(parseRequestHead(octets(path), 0, limits));
    }
  });
});

describe('what an upstream said last', () => {
  const replyTo = (memo: ReplyMemo, octets: string): ReplyHead => {
    const reply = parseReplyHead(Buffer.from(octets, 'latin1'), 0, 'GET', defaultLimits, memo);
    if (reply === null || reply === 'malformed') throw new Error('no head');
    return reply;
  };
  const ONE = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: 1\r\n\r\n';
  const OTHER = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: 2\r\n\r\n';

  test('is known from its second time on, and harmless only once it was found to be', () => {
    const memo = new ReplyMemo();
    memo.foundHarmless(replyTo(memo, ONE));
    const kept = replyTo(memo, ONE);
    expect(memo.knowsHarmless(kept)).toBe(false);
    memo.foundHarmless(kept);
    expect(replyTo(memo, ONE)).toBe(kept);
    expect(memo.knowsHarmless(kept)).toBe(true);
  });

  test('makes no other reply harmless, nor one that came meanwhile', () => {
    const memo = new ReplyMemo();
    replyTo(memo, ONE);
    const one = replyTo(memo, ONE);
    memo.foundHarmless(one);
    const other = replyTo(memo, OTHER);
    expect(memo.knowsHarmless(other)).toBe(false);
    expect(memo.knowsHarmless(one)).toBe(false);
    memo.foundHarmless(one);
    expect(memo.knowsHarmless(replyTo(memo, OTHER))).toBe(false);
  });
});
