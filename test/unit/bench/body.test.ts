import { describe, expect, it } from 'vitest';
import { BodyReader } from '../../../bench/lib/body.ts';

const CHUNKED = 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked';

/** Reads it as it comes, `step` octets at a time, until the reader is done. */
function read(head: string, text: string, step: number) {
  let body = '';
  let used = 0;
  const reader = new BodyReader(head, (piece) => {
    body += piece.toString('latin1');
  });
  const octets = Buffer.from(text, 'latin1');
  for (let at = 0; at < octets.length && !reader.done; at += step)
    used += reader.read(octets.subarray(at, at + step), 0);
  return { body, used, octets: reader.octets, done: reader.done, broken: reader.broken };
}

describe.each([1, 2, 3, 5, 7, 1_000])('the body of a POST, %i octets at a time', (step) => {
  it('ends with its length', () => {
    const whole = { body: 'hello', used: 5, octets: 5, done: true, broken: false };
    expect(read('POST / HTTP/1.1\r\nContent-Length: 5', 'helloGET / HTTP/1.1', step)).toEqual(whole);
  });

  it('ends behind the trailer of its last chunk', () => {
    const framed = '5\r\nhello\r\n00a;name=value\r\n0123456789\r\n0\r\nName: value\r\n\r\n';
    const whole = { body: 'hello0123456789', used: framed.length, octets: 15, done: true, broken: false };
    expect(read(CHUNKED, `${framed}GET / HTTP/1.1`, step)).toEqual(whole);
  });

  it.each(['5\r\nhelloworld\r\n', '-5\r\nhello\r\n', '0x5\r\nhello\r\n'])(
    'is broken where its chunks are: %j',
    (framed) => {
      expect(read(CHUNKED, framed, step)).toMatchObject({ done: true, broken: true });
    },
  );
});

it('has no octets without framing', () => {
  expect(read('POST / HTTP/1.1\r\nHost: target.test', '', 1)).toMatchObject({ octets: 0, done: true, broken: false });
});
