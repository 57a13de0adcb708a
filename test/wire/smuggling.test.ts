/**
 * Nothing that two parsers could read in two ways goes upstream: every doubtful
 * head is refused before a byte is sent, and every body that breaks is cut so
 * that the upstream never sees it complete. Raw octets in; the octets that the
 * upstream recorded are what is asserted on.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import {
  answerOk,
  converse,
  eventually,
  RawClient,
  type RecordingUpstream,
  startRecordingUpstream,
  turns,
} from '../helpers/wire.ts';

let rig: GatewayRig;
let upstream: RecordingUpstream;

beforeAll(async () => {
  rig = await startGatewayRig();
  upstream = await startRecordingUpstream();
  rig.put(1, upstream.port);
});
beforeEach(() => {
  upstream.behave(answerOk);
  upstream.reset();
});
afterAll(async () => {
  await rig.close();
  await upstream.close();
});

/** Sends these octets; expects one answer with this status line, the end, and nothing upstream. */
async function expectRefused(octets: string | Buffer, status: string): Promise<void> {
  const client = await converse(rig.port, octets);
  expect(client.text.split('\r\n')[0]).toBe(`HTTP/1.1 ${status}`);
  expect(client.text.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
  expect(client.text).toContain('\r\nConnection: close\r\n');
  await turns();
  expect(upstream.received()).toBe('');
}

const SMUGGLED = '23\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n\r\n0\r\n\r\n';

describe('a chunked body on a method without one (F1)', () => {
  test.each(['GET', 'HEAD'])('%s is refused and nothing goes upstream', async (method) => {
    const client = await converse(
      rig.port,
      rig.head(`${method} http://a.test/`, ['Transfer-Encoding: chunked']) + SMUGGLED,
    );
    expect(client.text).toMatch(/^HTTP\/1\.1 400 bad_request\r\n/);
    await turns();
    expect(upstream.received()).toBe('');
  });

  test.each(['DELETE', 'OPTIONS'])('%s goes upstream with explicit framing, as one request', async (method) => {
    upstream.behave(({ socket, text }) => {
      if (text.endsWith('\r\n0\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
    const client = await RawClient.connect(rig.port);
    await client
      .send(rig.head(`${method} http://a.test/`, ['Transfer-Encoding: chunked']) + SMUGGLED)
      .until((c) => c.text.endsWith('ok'));
    client.close();
    const [head, ...body] = upstream.received().split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^${method} http://a\\.test/? HTTP/1\\.1\\r\\n`));
    expect(head).toContain('\r\nTransfer-Encoding: chunked');
    expect(body.join('\r\n\r\n')).toBe(SMUGGLED);
  });

  test('GET with a Content-Length is refused too, and its body is never a request', async () => {
    await expectRefused(
      `${rig.head('GET http://a.test/', ['Content-Length: 37'])}GET http://a.test/x HTTP/1.1\r\nHost: a\r\n\r\n`,
      '400 bad_request',
    );
  });
});

describe('more header lines than are read (F2)', () => {
  const filler = Array.from({ length: 1_100 }, () => 'a:');
  test.each([
    ['Transfer-Encoding', 'Transfer-Encoding: chunked'],
    ['Content-Length', 'Content-Length: 5'],
    ['Connection', 'Connection: X-Secret'],
    ['a second Host', 'Host: b.test'],
    ['Proxy-Authorization', 'Proxy-Authorization: Basic eDp5'],
  ])('1,100 lines that hide %s at the end are 431', async (_, hidden) => {
    await expectRefused(`${rig.head('POST http://a.test/', [...filler, hidden])}0\r\n\r\n`, '431 head_too_large');
  });

  test.each([
    [99, 200],
    [100, 200],
    [101, 431],
  ])('%i header lines → %i', async (lines, status) => {
    const client = await RawClient.connect(rig.port);
    const more = Array.from({ length: lines - 2 }, (_, i) => `X-${i}: v`);
    const text = await client.send(rig.head('GET http://a.test/', more)).until((c) => c.text.includes('\r\n\r\n'));
    expect(text.slice(9, 12)).toBe(String(status));
    if (status === 200) expect(upstream.received().match(/\r\nX-\d+: v/g)).toHaveLength(lines - 2);
    else expect(upstream.received()).toBe('');
    client.close();
  });

  test.each([
    [16_383, 200],
    [16_384, 200],
    [16_385, 431],
  ])('a head of %i octets → %i', async (octets, status) => {
    const pad = octets - rig.head('GET http://a.test/', ['X: ']).length;
    const client = await RawClient.connect(rig.port);
    const text = await client
      .send(rig.head('GET http://a.test/', [`X: ${'p'.repeat(pad)}`]))
      .until((c) => c.text.includes('\r\n\r\n'));
    expect(text.slice(9, 12)).toBe(String(status));
    if (status === 431) expect(upstream.received()).toBe('');
    client.close();
  });

  test('a target of 8,000 octets passes; one that fills the head alone is 414', async () => {
    const path = `/${'p'.repeat(7_999 - 'http://a.test'.length)}`;
    const client = await RawClient.connect(rig.port);
    await client.send(rig.head(`GET http://a.test${path}`)).until((c) => c.text.endsWith('ok'));
    expect(upstream.received().split(' ')[1]).toHaveLength(8_000);
    client.close();
    upstream.reset();
    await expectRefused(rig.head(`GET http://a.test/${'p'.repeat(65_536)}`), '414 head_too_large');
  });
});

describe('framing fields that are not exactly right (F3, B05–B30)', () => {
  test.each([
    ['CL then TE', ['Content-Length: 5', 'Transfer-Encoding: chunked']],
    ['TE then CL', ['Transfer-Encoding: chunked', 'Content-Length: 5']],
    ['two lengths that differ', ['Content-Length: 5', 'Content-Length: 6']],
    ['two lengths that agree', ['Content-Length: 5', 'Content-Length: 5']],
    ['a list of lengths', ['Content-Length: 5, 5']],
    ['an empty length', ['Content-Length: ']],
    ['an empty length, then one', ['Content-Length:', 'Content-Length: 43']],
    ...['+5', '-1', '-0', '0x5', '1_0', '1 0', '5a', '1.0', '005', '18446744073709551616', '99999999999999999999'].map(
      (value) => [`length ${value}`, [`Content-Length: ${value}`]] as [string, string[]],
    ),
    ['a blank before the colon', ['Content-Length : 3']],
    ['a tab before the colon', ['Content-Length\t: 3']],
    ['chunked twice', ['Transfer-Encoding: chunked, chunked']],
    ['chunked on two lines', ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked']],
    ['a leading comma', ['Transfer-Encoding: ,chunked']],
    ['a trailing comma', ['Transfer-Encoding: chunked,']],
    ['gzip, chunked', ['Transfer-Encoding: gzip, chunked']],
    ['chunked, gzip', ['Transfer-Encoding: chunked, gzip']],
    ['gzip alone', ['Transfer-Encoding: gzip']],
    ['identity', ['Transfer-Encoding: identity']],
    ['an empty coding', ['Transfer-Encoding:']],
    ['a vertical tab', ['Transfer-Encoding: \x0bchunked']],
    ['a form feed', ['Transfer-Encoding: \x0cchunked']],
    ['a NUL behind', ['Transfer-Encoding: chunked\0']],
    ['a parameter', ['Transfer-Encoding: chunked;a=b']],
    ['a folded coding', ['Transfer-Encoding:', ' chunked']],
    ['a folded length', ['Content-Length: 1', ' 0']],
  ])('%s → 400', (_, lines) => expectRefused(`${rig.head('POST http://a.test/', lines)}0\r\n\r\n`, '400 bad_request'));

  test('an unknown coding is 501, with nothing dialled', () =>
    expectRefused(`${rig.head('POST http://a.test/', ['Transfer-Encoding: xchunked'])}0\r\n\r\n`, '501 bad_request'));

  test('chunked in HTTP/1.0 → 400', () =>
    expectRefused(
      rig.head('POST http://a.test/', ['Transfer-Encoding: chunked']).replace('HTTP/1.1', 'HTTP/1.0'),
      '400 bad_request',
    ));

  test('any case of chunked is chunked', async () => {
    const client = await RawClient.connect(rig.port);
    await client
      .send(`${rig.head('POST http://a.test/', ['transfer-ENCODING: Chunked'])}2\r\nhi\r\n0\r\n\r\n`)
      .until((c) => c.text.endsWith('ok'));
    expect(upstream.received()).toMatch(/\r\nTransfer-Encoding: chunked\r\n[\s\S]*\r\n\r\n2\r\nhi\r\n0\r\n\r\n$/);
    client.close();
  });
});

describe('lines and names that are not HTTP (B55–B59)', () => {
  const auth = (): string => `Proxy-Authorization: ${rig.authorization()}`;
  test.each([
    ['bare LF everywhere', () => `GET http://a.test/ HTTP/1.1\nHost: a.test\n${auth()}\n\n`],
    ['bare LF after the request line', () => `GET http://a.test/ HTTP/1.1\nHost: a.test\r\n${auth()}\r\n\r\n`],
    ['bare LF in one line', () => `GET http://a.test/ HTTP/1.1\r\nHost: a.test\n${auth()}\r\n\r\n`],
    ['bare LF as the end', () => `GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n${auth()}\r\n\n`],
    ['CR alone everywhere', () => `GET http://a.test/ HTTP/1.1\rHost: a.test\r${auth()}\r\r`],
    ['CR and a letter as the end', () => `GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n${auth()}\r\n\rX`],
    ['CR inside a value', () => rig.head('GET http://a.test/', ['X: a\rb'])],
    ['a folded line', () => rig.head('GET http://a.test/', ['X: a', ' b'])],
    ['a blank before the first line', () => `GET http://a.test/ HTTP/1.1\r\n Host: a.test\r\n${auth()}\r\n\r\n`],
    ['no colon', () => rig.head('GET http://a.test/', ['X'])],
    ['no name', () => rig.head('GET http://a.test/', [': x'])],
    ['brackets in a name', () => rig.head('GET http://a.test/', ['X[]: x'])],
    ['obs-text in a name', () => rig.head('GET http://a.test/', ['X\x85: x'])],
    ['NUL in a value', () => rig.head('GET http://a.test/', ['X: a\0b'])],
    ['BEL in a value', () => rig.head('GET http://a.test/', ['X: a\x07b'])],
    ['DEL in a value', () => rig.head('GET http://a.test/', ['X: a\x7fb'])],
  ])('%s → 400', (_, octets) => expectRefused(octets(), '400 bad_request'));

  test('obs-text in a value passes byte for byte', async () => {
    const client = await RawClient.connect(rig.port);
    await client.send(rig.head('GET http://a.test/', ['X: \xff\xfe\xe9'])).until((c) => c.text.endsWith('ok'));
    expect(upstream.received()).toContain('\r\nX: \xff\xfe\xe9\r\n');
    client.close();
  });
});

describe('a body that breaks is never complete upstream (F5, B31–B45)', () => {
  const chunked = (body: string): string => rig.head('POST http://a.test/', ['Transfer-Encoding: chunked']) + body;
  test.each([
    ...['0x5', '+5', '0_5', ' 5', '5 ', '', 'FFFFFFFFFFFFFFFFF', 'g'].map(
      (size) => [`size "${size}"`, `${size}\r\nhello\r\n0\r\n\r\n`] as [string, string],
    ),
    ['a size line ended by LF', '5\nhello\r\n0\r\n\r\n'],
    ['data ended by LF', '5\r\nhello\n0\r\n\r\n'],
    ['a last line ended by LF', '5\r\nhello\r\n0\r\n\n'],
    ['a 64 KiB extension', `5;${'x'.repeat(65_536)}\r\nhello\r\n0\r\n\r\n`],
    ['many extensions', '1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n'.repeat(1_000)],
    ['more data than the size', '5\r\nhelloXX\r\n0\r\n\r\n'],
    ['no CRLF behind the data', '5\r\nhello0\r\n\r\n'],
    ['a 40 KiB trailer', `5\r\nhello\r\n0\r\nX: ${'t'.repeat(40_960)}\r\n\r\n`],
    ['a trailer line that starts with a blank', '5\r\nhello\r\n0\r\n X: y\r\n\r\n'],
  ])('%s: 400, and no last chunk upstream', async (_, body) => {
    const client = await converse(rig.port, chunked(body));
    expect(client.text).toMatch(/^HTTP\/1\.1 400 bad_request\r\n/);
    await eventually('the upstream connection is over', () =>
      upstream.connections.every(({ socket }) => socket.destroyed),
    );
    expect(upstream.received()).not.toMatch(/\r\n0\r\n\r\n$/);
    expect(upstream.received().match(/POST/g) ?? []).toHaveLength(upstream.connections.length);
  });

  test.each([
    ['a Content-Length body', () => `${rig.head('POST http://a.test/', ['Content-Length: 10'])}hello`],
    ['a chunked body', () => chunked('5\r\nhello\r\n')],
  ])('%s that the client ends early: the upstream sees a reset', async (_, octets) => {
    const errors: unknown[] = [];
    upstream.behave(({ socket, text }) => {
      socket.removeAllListeners('error').on('error', (error) => errors.push((error as NodeJS.ErrnoException).code));
      if (text.endsWith('hello') || text.endsWith('hello\r\n')) client.socket.end();
    });
    const client = await RawClient.connect(rig.port);
    client.send(octets());
    await client.untilEnd();
    await eventually('the upstream connection is over', () =>
      upstream.connections.every(({ socket }) => socket.destroyed),
    );
    expect(errors).toEqual(['ECONNRESET']);
    client.close();
  });

  test('a body in many pieces with pauses between arrives whole', async () => {
    const client = await RawClient.connect(rig.port);
    upstream.behave(({ socket, text }) => {
      if (text.endsWith('0123456789')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
    client.send(`${rig.head('POST http://a.test/', ['Content-Length: 10'])}01`);
    await eventually('the first piece is upstream', () => upstream.received().endsWith('\r\n\r\n01'));
    for (const piece of ['234', '5', '6789']) {
      const sofar = upstream.received().length;
      client.send(piece);
      await eventually('more is upstream', () => upstream.received().length === sofar + piece.length);
    }
    await client.until((c) => c.text.endsWith('ok'));
    client.close();
  });
});
