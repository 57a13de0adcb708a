/**
 * What an upstream may answer to our CONNECT, and what the client sees of it:
 * only a final 2xx opens the tunnel (F7), nothing of a refusal is passed on, and
 * the bytes behind the head are the tunnel's first, at any split.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CAUSES, type Cause } from '../../src/core/cause.ts';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import {
  converse,
  eventually,
  everySplit,
  RawClient,
  type RecordingUpstream,
  sendSplit,
  startRecordingUpstream,
} from '../helpers/wire.ts';

let rig: GatewayRig;
let upstream: RecordingUpstream;

beforeAll(async () => {
  rig = await startGatewayRig({ limits: { connectReplyTimeoutMs: 300 } });
  upstream = await startRecordingUpstream();
  rig.put(1, upstream.port);
});
beforeEach(() => upstream.reset());
afterAll(async () => {
  await rig.close();
  await upstream.close();
});

/** Answers CONNECT with these octets, once. */
function reply(octets: string, end: 'keep' | 'end' | 'reset' = 'keep'): void {
  upstream.behave(({ socket, text }) => {
    if (!text.endsWith('\r\n\r\n')) return;
    socket.write(Buffer.from(octets, 'latin1'));
    if (end === 'end') socket.end();
    if (end === 'reset') socket.resetAndDestroy();
  });
}

async function connectClient(): Promise<RawClient> {
  const client = await RawClient.connect(rig.port);
  return client.send(rig.head('CONNECT a.test:443'));
}

function tunnelBytes(client: RawClient): string {
  return client.text.slice(client.text.indexOf('\r\n\r\n') + 4);
}

describe('a tunnel opens on', () => {
  test.each([
    ['200 without a reason', 'HTTP/1.1 200\r\n\r\n'],
    ['200 with an empty reason', 'HTTP/1.1 200 \r\n\r\n'],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\n\r\n'],
    ['201', 'HTTP/1.1 201 Created\r\n\r\n'],
    ['204', 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['299', 'HTTP/1.1 299 x\r\n\r\n'],
    ['a length that means nothing here', 'HTTP/1.1 200 OK\r\nContent-Length: 123\r\n\r\n'],
    [
      'two lengths and chunked',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n',
    ],
    [
      '100, 102 and 103 first',
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 x\r\nA: b\r\n\r\nHTTP/1.1 103 y\r\n\r\nHTTP/1.1 200 OK\r\n\r\n',
    ],
    ['16 interim replies first', `${'HTTP/1.1 100 Continue\r\n\r\n'.repeat(16)}HTTP/1.1 200 OK\r\n\r\n`],
  ])('%s', async (_, octets) => {
    reply(`${octets}SSH-2.0-x\r\n`);
    const client = await connectClient();
    await client.until((c) => c.text.endsWith('SSH-2.0-x\r\n'));
    expect(client.text).toMatch(/^HTTP\/1\.1 200 Connection established\r\nSallyport-Request-Id: /);
    expect(client.text.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
    expect(client.text).not.toMatch(/Content-Length|Transfer-Encoding/);
    expect(tunnelBytes(client)).toBe('SSH-2.0-x\r\n');
    client.close();
  });

  test('a reply cut at every offset, with an interim one before and the server’s first words behind', async () => {
    const octets = Buffer.from('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nVia: x\r\n\r\nSSH-2.0-x\r\n');
    for (const at of everySplit(octets)) {
      upstream.behave(({ socket, text }) => {
        if (text.endsWith('\r\n\r\n')) void sendSplit(socket, octets, at);
      });
      const client = await connectClient();
      await client.until((c) => c.text.endsWith('SSH-2.0-x\r\n'));
      expect(tunnelBytes(client), `cut at ${at}`).toBe('SSH-2.0-x\r\n');
      client.close();
    }
  });
});

describe('refused', () => {
  const HTML =
    'Content-Type: text/html\r\nSet-Cookie: canary=1\r\nLocation: http://canary/\r\nContent-Length: 6\r\n\r\ncanary';
  const cases: [string, string, Cause][] = [
    ['407', `HTTP/1.1 407 x\r\nProxy-Authenticate: Basic realm="canary"\r\n${HTML}`, 'upstream_auth_failed'],
    ['407 with length and chunked', `HTTP/1.1 407 x\r\nTransfer-Encoding: chunked\r\n${HTML}`, 'upstream_protocol'],
    ['407 in HTTP/1.0', `HTTP/1.0 407 x\r\nProxy-Authenticate: Basic realm="canary"\r\n\r\n`, 'upstream_auth_failed'],
    ['403', `HTTP/1.1 403 canary\r\n${HTML}`, 'upstream_denied_target'],
    ['404', `HTTP/1.1 404 canary\r\n${HTML}`, 'upstream_denied_target'],
    ['500', `HTTP/1.1 500 canary\r\n${HTML}`, 'target_unreachable'],
    ['503', `HTTP/1.1 503 canary\r\n${HTML}`, 'target_unreachable'],
    ['302', `HTTP/1.1 302 canary\r\n${HTML}`, 'upstream_protocol'],
    ['101', 'HTTP/1.1 101 Switching Protocols\r\n\r\n', 'upstream_protocol'],
    ['17 interim replies', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(17), 'upstream_protocol'],
    ['5,000 interim replies', 'HTTP/1.1 103 x\r\n\r\n'.repeat(5_000), 'upstream_protocol'],
    ['a status below 100', 'HTTP/1.1 099 x\r\n\r\n', 'upstream_protocol'],
    ['a status of 600', 'HTTP/1.1 600 x\r\n\r\n', 'upstream_protocol'],
    ['four digits', 'HTTP/1.1 2000 x\r\n\r\n', 'upstream_protocol'],
    ['no status line', '<html>canary</html>\r\n\r\n', 'upstream_protocol'],
    ['HTTP/2', 'HTTP/2 200\r\n\r\n', 'upstream_protocol'],
    ['a banner', 'SSH-2.0-canary\r\n', 'upstream_protocol'],
    ['NUL in a line', 'HTTP/1.1 200 OK\r\nA: \0\r\n\r\n', 'upstream_protocol'],
    ['bare CR in a line', 'HTTP/1.1 200 OK\r\nA: a\rb\r\n\r\n', 'upstream_protocol'],
    ['bare LF in a line', 'HTTP/1.1 200 OK\r\nA: a\nB: b\r\n\r\n', 'upstream_protocol'],
    ['bare LF everywhere', 'HTTP/1.1 200 OK\nA: a\n\n', 'upstream_protocol'],
    ['a folded line', 'HTTP/1.1 200 OK\r\nA: a\r\n b\r\n\r\n', 'upstream_protocol'],
    ['a blank before a colon', 'HTTP/1.1 200 OK\r\nA : a\r\n\r\n', 'upstream_protocol'],
    ['a head of 20 KiB', `HTTP/1.1 200 OK\r\nA: ${'a'.repeat(20_480)}\r\n\r\n`, 'upstream_protocol'],
    ['a head of 200 KiB', `HTTP/1.1 200 OK\r\nA: ${'a'.repeat(204_800)}\r\n\r\n`, 'upstream_protocol'],
    ['3,000 lines', `HTTP/1.1 200 OK\r\n${'a:\r\n'.repeat(3_000)}\r\n`, 'upstream_protocol'],
    ['101 lines', `HTTP/1.1 200 OK\r\n${'a:\r\n'.repeat(101)}\r\n`, 'upstream_protocol'],
  ];
  test.each(cases)('%s: one fixed answer, nothing of it passed on', async (_, octets, cause) => {
    reply(octets);
    const client = await connectClient();
    await client.untilEnd();
    const { status, error, sentence } = CAUSES[cause];
    expect(client.text.split('\r\n')[0]).toBe(`HTTP/1.1 ${status} ${cause}`);
    expect(client.text).toContain(`Proxy-Status: sallyport; error=${error}; details="${cause}"`);
    expect(client.text).toMatch(new RegExp(`\r\n\r\n${sentence}\n$`));
    expect(client.text).not.toMatch(/canary|Proxy-Authenticate|Set-Cookie|Location/);
    await eventually('the upstream connection is over', () =>
      upstream.connections.every(({ socket }) => socket.destroyed),
    );
    client.close();
  });

  test.each([
    ['nothing, then an end', '', 'end', 'upstream_reset'],
    ['nothing, then a reset', '', 'reset', 'upstream_reset'],
    ['half a head, then an end', 'HTTP/1.1 200 OK\r\nA:', 'end', 'upstream_reset'],
    ['half a head, then silence', 'HTTP/1.1 200 OK\r\nA:', 'keep', 'upstream_reply_timeout'],
    ['nothing at all', '', 'keep', 'upstream_reply_timeout'],
    ['an interim reply, then silence', 'HTTP/1.1 100 Continue\r\n\r\n', 'keep', 'upstream_reply_timeout'],
  ] as const)('%s', async (_, octets, end, cause) => {
    reply(octets, end);
    const client = await converse(rig.port, rig.head('CONNECT a.test:443'));
    expect(client.text.split('\r\n')[0]).toBe(`HTTP/1.1 ${CAUSES[cause].status} ${cause}`);
  });
});
