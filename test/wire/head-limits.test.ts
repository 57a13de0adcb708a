/**
 * The bounds of heads are exact: at n − 1 and n a head passes whole, to the octet
 * and to the line, at n + 1 it is refused; never cut short. With the bounds as they
 * come, and raised to their largest by configuration (P10).
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { defaultLimits } from '../../src/core/limits.ts';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import { answering, answerOk, converse, type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

const CREDENTIAL = `Proxy-Authorization: Basic ${Buffer.from('user-1:pass-1').toString('base64')}\r\n`;
const CLOSE = 'Connection: close';
const TOO_LARGE = 'HTTP/1.1 431 head_too_large';
const TOO_LONG = 'HTTP/1.1 414 head_too_large';
const OK = 'HTTP/1.1 200 OK';

describe.each([
  ['as they come', defaultLimits.maxHeadBytes, defaultLimits.maxHeadLines, defaultLimits.maxInterimResponses],
  ['raised', 65_536, 1_000, 100],
  ['lowered', 9_216, 20, 1],
])('bounds %s: %i octets, %i lines, %i interim replies', (_, bytes, lines, interim) => {
  let rig: GatewayRig;
  let upstream: RecordingUpstream;

  beforeAll(async () => {
    const limits = { maxHeadBytes: bytes, maxHeadLines: lines, maxInterimResponses: interim };
    rig = await startGatewayRig({ limits });
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

  /** The status line of the answer, with what went upstream held to be `forwarded`, or nothing when it is refused. */
  async function holds(octets: string, forwarded: string, expected: string): Promise<void> {
    const client = await converse(rig.port, octets);
    expect(client.text.split('\r\n')[0]).toBe(expected);
    expect(upstream.received()).toBe(expected === OK ? forwarded : '');
  }
  const get = (more: readonly string[]): string => rig.head('GET http://a.test/', [CLOSE, ...more]);
  const onward = (more: readonly string[]): string =>
    `GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n${more.map((line) => `${line}\r\n`).join('')}${CREDENTIAL}\r\n`;
  /** A line that brings a head to so many octets. */
  const padding = (head: (line: string) => string, length: number): string =>
    `X: ${'p'.repeat(length - head('X: ').length)}`;

  test.each([-1, 0, 1])('a head of the bound %i octets', async (more) => {
    const line = padding((one) => get([one]), bytes + more);
    await holds(get([line]), onward([line]), more > 0 ? TOO_LARGE : OK);
  });

  test.each([-1, 0, 1])('a head of the bound %i octets whose target takes up the room', async (more) => {
    const rest = rig.head('GET http://a.test/', [CLOSE]).length;
    const target = `http://a.test/${'p'.repeat(bytes + more - rest)}`;
    const forwarded = onward([]).replace('http://a.test/', target);
    await holds(rig.head(`GET ${target}`, [CLOSE]), forwarded, more > 0 ? TOO_LONG : OK);
  });

  test.each([-1, 0, 1])('the bound %i lines', async (more) => {
    // Host, the credential and Connection are three.
    const list = Array.from({ length: lines + more - 3 }, (_, i) => `X-${i}: ${i}`);
    await holds(get(list), onward(list), more > 0 ? TOO_LARGE : OK);
  });

  test.each([-1, 0, 1])('the bound %i lines, empty ones of one name', async (more) => {
    const list = Array.from({ length: lines + more - 3 }, () => 'a:');
    await holds(get(list), onward(list), more > 0 ? TOO_LARGE : OK);
  });

  test.each([-1, 0, 1])('a CONNECT whose head is the bound %i octets', async (more) => {
    upstream.behave(answering('HTTP/1.1 503 x\r\n\r\n'));
    const line = padding((one) => rig.head('CONNECT a.test:443', [one]), bytes + more);
    const client = await converse(rig.port, rig.head('CONNECT a.test:443', [line]));
    expect(client.text.split('\r\n')[0]).toBe(more > 0 ? TOO_LARGE : 'HTTP/1.1 502 target_unreachable');
    const connect = `CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n${CREDENTIAL}\r\n`;
    expect(upstream.received()).toBe(more > 0 ? '' : connect);
  });

  describe('of a reply', () => {
    const reply = (more: readonly string[]): string =>
      `HTTP/1.1 200 OK\r\n${more.map((line) => `${line}\r\n`).join('')}Content-Length: 0\r\n\r\n`;

    test.each([-1, 0, 1])('a head of the bound %i octets', async (more) => {
      const line = padding((one) => reply([one]), bytes + more);
      upstream.behave(answering(reply([line])));
      const { text } = await converse(rig.port, get([]));
      expect(text.split('\r\n')[0]).toBe(more > 0 ? 'HTTP/1.1 502 upstream_protocol' : OK);
      expect(text.includes(`\r\n${line}\r\n`)).toBe(more <= 0);
    });

    test.each([-1, 0, 1])('the bound %i lines', async (more) => {
      const list = Array.from({ length: lines + more - 1 }, (_, i) => `X-${i}: ${i}`);
      upstream.behave(answering(reply(list)));
      const { text } = await converse(rig.port, get([]));
      expect(text.split('\r\n')[0]).toBe(more > 0 ? 'HTTP/1.1 502 upstream_protocol' : OK);
      expect(text.match(/^X-\d+: \d+$/gm) ?? []).toEqual(more > 0 ? [] : list);
    });

    test.each([-1, 0, 1])('the bound %i interim replies', async (more) => {
      upstream.behave(answering('HTTP/1.1 103 x\r\n\r\n'.repeat(interim + more) + reply([])));
      const { text } = await converse(rig.port, get([]));
      expect(text.match(/HTTP\/1\.1 103 x\r\n/g) ?? []).toHaveLength(Math.min(interim, interim + more));
      const final = text.match(/^HTTP\/1\.1 [2-5].*(?=\r)/m)?.[0];
      expect(final).toBe(more > 0 ? 'HTTP/1.1 502 upstream_protocol' : OK);
    });

    test.each([-1, 0, 1])('to CONNECT: a head of the bound %i octets', async (more) => {
      const line = padding((one) => `HTTP/1.1 503 x\r\n${one}\r\n\r\n`, bytes + more);
      upstream.behave(answering(`HTTP/1.1 503 x\r\n${line}\r\n\r\n`));
      const { text } = await converse(rig.port, rig.head('CONNECT a.test:443'));
      const cause = more > 0 ? 'upstream_protocol' : 'target_unreachable';
      expect(text.split('\r\n')[0]).toBe(`HTTP/1.1 502 ${cause}`);
    });
  });
});
