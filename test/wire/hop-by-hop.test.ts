/**
 * Header lines in both directions (P3): whatever is hop-by-hop, and whatever Connection
 * names, goes no further; everything else arrives byte for byte and in order. Random
 * lists of lines, in any case, spacing and repetition, held against a model of the rule.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { full } from '../helpers/full.ts';
import { type GatewayRig, KEY, startGatewayRig } from '../helpers/gateway-rig.ts';
import { answering, answerOk, RawClient, type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

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

/** RFC 9110 section 7.6.1, and what belongs to an h2c upgrade. */
const HOP_BY_HOP = [
  'connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authentication-info', 'te', 'trailer', 'upgrade', 'http2-settings', 'proxy-selector',
]; // biome-ignore format: one list
const NAMES = [
  'X-A', 'X-B', 'X-Hop', 'X-Gone', 'Accept', 'Cookie', 'Set-Cookie', 'Authorization', 'Cache-Control', 'Keep-Alives', 'Proxy-Connections', 'TEs', 'Connection2', 'x.y_z~', ...HOP_BY_HOP.filter((name) => name !== 'connection' && name !== 'proxy-selector'),
]; // biome-ignore format: one list
const NOMINABLE = [
  'X-A',
  'X-B',
  'X-Hop',
  'X-Gone',
  'Keep-Alive',
  'TE',
  'Upgrade',
  'Connection2',
  'x.y_z~',
  'absent',
  'keep-alive',
  'Connection',
];

const anyCase = (name: string): fc.Arbitrary<string> =>
  fc
    .array(fc.boolean(), { minLength: name.length, maxLength: name.length })
    .map((upper) => [...name].map((c, i) => (upper[i] ? c.toUpperCase() : c.toLowerCase())).join(''));
const blanks = fc.constantFrom('', ' ', '  ', '\t', ' \t ');
const values = fc.constantFrom('', '1', 'a, b', '"q;"', 'x y', '\xfc\xff', 'close', 'X-A', '%0d%0a', ':');

interface Line {
  readonly name: string;
  readonly text: string;
  /** What a Connection line names. */
  readonly options: readonly string[];
}
const field: fc.Arbitrary<Line> = fc
  .tuple(fc.constantFrom(...NAMES).chain(anyCase), blanks, values, blanks)
  .map(([name, before, value, after]) => ({ name, text: `${name}:${before}${value}${after}`, options: [] }));
const option = fc.tuple(blanks, fc.constantFrom(...NOMINABLE).chain(anyCase), blanks);
const connection: fc.Arbitrary<Line> = fc
  .tuple(anyCase('connection'), fc.array(fc.oneof(option, fc.constant(['', '', ''] as const)), { maxLength: 4 }))
  .map(([name, options]) => ({
    name,
    text: `${name}:${options.map((parts) => parts.join('')).join(',')}`,
    options: options.map(([, text]) => text.toLowerCase()).filter((text) => text !== ''),
  }));
const sections = fc
  .array(fc.oneof({ arbitrary: field, weight: 4 }, { arbitrary: connection, weight: 1 }), { maxLength: 16 })
  // A second Upgrade is refused.
  .filter((lines) => lines.filter(({ name }) => name.toLowerCase() === 'upgrade').length < 2);

/** The lines that travel, each with its CRLF. */
function kept(lines: readonly Line[]): string {
  const gone = new Set([...HOP_BY_HOP, ...lines.flatMap(({ options }) => options)]);
  return lines
    .filter(({ name }) => !gone.has(name.toLowerCase()))
    .map(({ text }) => `${text}\r\n`)
    .join('');
}

const runs = { numRuns: full ? 20_000 : 400 };

test('requests', async () => {
  const client = await RawClient.connect(rig.port);
  await fc.assert(
    fc.asyncProperty(sections, async (lines) => {
      upstream.reset();
      client.text = '';
      const texts = lines.map(({ text }) => text);
      await client.send(rig.head('GET http://a.test/', texts)).until((c) => c.text.endsWith('ok'));
      const ours = `Proxy-Authorization: Basic ${Buffer.from('user-1:pass-1').toString('base64')}\r\n`;
      expect(upstream.received()).toBe(`GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n${kept(lines)}${ours}\r\n`);
      expect(upstream.received()).not.toContain(KEY);
    }),
    runs,
  );
  client.close();
});

test('replies', async () => {
  const client = await RawClient.connect(rig.port);
  await fc.assert(
    fc.asyncProperty(sections, async (lines) => {
      client.text = '';
      const texts = lines.map(({ text }) => `${text}\r\n`).join('');
      upstream.behave(answering(`HTTP/1.1 200 OK\r\n${texts}Content-Length: 0\r\n\r\n`));
      await client.send(rig.head('GET http://a.test/')).until((c) => c.text.endsWith('\r\n\r\n'));
      expect(client.text.slice(0, client.text.indexOf('Content-Length'))).toBe(`HTTP/1.1 200 OK\r\n${kept(lines)}`);
    }),
    runs,
  );
  client.close();
});
