/**
 * Runs cases of the bad-input catalogue: each raw, once whole, once octet by octet,
 * and cut in two at the offsets of its head. What counts is what the upstream
 * recorded, to the octet; then that the client got exactly the answers of the case
 * and, after a refusal, an end behind which nothing was parsed.
 */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CAUSES } from '../../../src/core/cause.ts';
import type { ApiKeyId } from '../../../src/core/model.ts';
import { full } from '../../helpers/full.ts';
import { type GatewayRig, sessionId, startGatewayRig, WORKSPACE } from '../../helpers/gateway-rig.ts';
import { eventually, turns } from '../../helpers/wire.ts';
import { type Answer, type Case, type Expected, KEY } from './case.ts';
import { CatalogueUpstream, Clients, OK, type Outcome } from './conversation.ts';

const base64 = (text: string): string => Buffer.from(text, 'latin1').toString('base64');

const AUTH = `Basic ${Buffer.from(`:${KEY}`).toString('base64')}`;
const UPSTREAM = `Basic ${Buffer.from('u:p').toString('base64')}`;
/** Every form in which the client's credential could travel: the key, its base64 at any alignment, hex, the header. */
const SECRETS = [
  KEY,
  AUTH,
  ...[0, 1, 2].map((n) =>
    base64('x'.repeat(n) + KEY).slice(n === 0 ? 0 : n + 1, Math.floor(((n + KEY.length) * 8) / 6)),
  ),
  Buffer.from(KEY).toString('hex'),
];

/** Conversations at once. */
const WIDTH = 64;
/** Octets of a head that is cut at every offset in an ordinary run, and of a case that is in none. */
const WHOLLY_CUT = 700;
const LONG = 24_576;
/** In an ordinary run so many variants of a row are cut at every offset, and the others at one in so many. */
const WHOLE_VARIANTS = 3;
const SHARE = 3;
/** Octets that a refused client may still send and be read. */
const LINGERED = 80_000;
/** What is sent behind a refusal in the same breath. */
const BEHIND = Buffer.from(
  `GET http://behind.test/ HTTP/1.1\r\nHost: behind.test\r\nProxy-Authorization: ${AUTH}\r\n\r\n`,
);
/** Octets of a case that is also sent octet by octet. */
const SINGLY = 400;

function withCredentials(text: string): string {
  return text.replaceAll('{auth}', AUTH).replaceAll('{upstream}', UPSTREAM);
}

/** An answer, whole, with its request id masked: a fixed text of the table of causes, so nothing in it can be an echo. */
function answerText({ status, cause, sentence: own, close, placed }: Answer, tunnel: boolean): string {
  const identity = `Sallyport-Request-Id: ID\r\n${placed ? `Sallyport-Session: ${sessionId(1)}\r\n` : ''}`;
  if (tunnel && cause === null) {
    return `HTTP/1.1 200 Connection established\r\n${identity}Proxy-Status: sallyport\r\n\r\n`;
  }
  if (cause === null) {
    const lines = placed ? 'Content-Length: 2\r\n' : `Allow: ${ALLOW}\r\nContent-Length: 0\r\n`;
    const connection = close ? 'Connection: close\r\n' : placed ? '' : 'Connection: keep-alive\r\n';
    return `HTTP/1.1 ${status} OK\r\n${lines}${identity}Proxy-Status: sallyport\r\n${connection}\r\n${placed ? 'ok' : ''}`;
  }
  const { error } = CAUSES[cause];
  const sentence = own ?? CAUSES[cause].sentence;
  return (
    `HTTP/1.1 ${status} ${cause}\r\nContent-Type: text/plain\r\nContent-Length: ${sentence.length + 1}\r\n` +
    'X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n' +
    (status === 407 ? 'Proxy-Authenticate: Basic realm="sallyport"\r\n' : '') +
    (status === 405 ? `Allow: ${ALLOW}\r\n` : '') +
    `${identity}Proxy-Status: sallyport; error=${error}; details="${cause}"\r\n` +
    `Connection: ${close ? 'close' : 'keep-alive'}\r\n\r\n${sentence}\n`
  );
}
const ALLOW = 'GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH, CONNECT';

function masked(text: string): string {
  return text.replace(/(?<=Sallyport-Request-Id: )[0-9a-f]{8}-[0-9a-f]{8}/g, 'ID');
}

/**
 * The offsets at which the head of a case is cut: every one. In an ordinary run the variants of a row behind its first
 * few share them out between each other, as they differ in an octet or two; long heads are cut at their ends and at
 * some places between.
 */
function cutsOf(octets: string, variant: number): number[] {
  const end = octets.indexOf('\r\n\r\n');
  const length = end === -1 ? octets.length : end + 4;
  if (octets.length > LONG) return [1, 5, length >> 1, length - 3, length - 1].filter((at) => at > 0);
  const all = Array.from({ length: length - 1 }, (_, i) => i + 1);
  if (full) return all;
  if (length > WHOLLY_CUT) return all.filter((at) => at < 40 || at > length - 10 || at % 997 === 0);
  return variant < WHOLE_VARIANTS ? all : all.filter((at) => at % SHARE === variant % SHARE);
}

/** One gateway, its upstream and its clients, for the cases of a test file. */
class CatalogueRun {
  /** All that went upstream. */
  recorded = '';
  readonly clients: Clients;
  readonly upstream: CatalogueUpstream;
  readonly #rig: GatewayRig;

  private constructor(rig: GatewayRig, upstream: CatalogueUpstream) {
    this.#rig = rig;
    this.upstream = upstream;
    this.clients = new Clients(rig.port);
  }

  static async start(): Promise<CatalogueRun> {
    const rig = await startGatewayRig();
    const upstream = await CatalogueUpstream.start();
    rig.put(1, upstream.port, { username: 'u', password: 'p' });
    const hash = createHash('sha256').update(KEY).digest('hex');
    const id = '018f8c20-0000-7000-8000-0000000000ca' as ApiKeyId;
    rig.gateway.apply([
      { kind: 'key-put', key: { id, workspaceId: WORKSPACE, hash, mayUseGateway: true, expiresAtMs: null } },
    ]);
    return new CatalogueRun(rig, upstream);
  }

  async close(): Promise<void> {
    await this.#rig.close();
    await this.upstream.close();
  }

  /** Sends each list of pieces, and holds every outcome and every record against what is expected. */
  async hold(expected: Expected, lists: readonly (readonly Buffer[])[], reply = OK): Promise<void> {
    const { answers, record } = expected;
    const requests = expected.upstream.map(withCredentials);
    const back = textOf(expected, requests);
    const ends = answers.at(-1)!.close;
    const enough = back.length + answers.length * ('ffffffff-ffffffff'.length - 'ID'.length);
    const before = this.#countsOf(answers);
    for (let from = 0; from < lists.length; from += WIDTH) {
      const batch = lists.slice(from, from + WIDTH);
      this.upstream.expect(requests, record === 'broken' ? null : reply);
      const outcomes = await this.clients.converse(batch, ({ text }) => !ends && text.length >= enough);
      for (const [i, outcome] of outcomes.entries()) holdOutcome(outcome, back, ends, batch[i]!);
      await this.#holdRecords(expected, requests, batch.length);
    }
    for (const [cause, count] of before) {
      const times = answers.filter((answer) => answer.cause === cause).length;
      expect(this.#rig.counted(cause), `how often ${cause} was counted`).toBe(count + times * lists.length);
    }
  }

  #countsOf(answers: readonly Answer[]): Map<string, number> {
    return new Map(
      answers.flatMap(({ cause }) => (cause === null ? [] : [[cause, this.#rig.counted(cause)] as const])),
    );
  }

  async #holdRecords(expected: Expected, requests: readonly string[], times: number): Promise<void> {
    await turns(2);
    const { records } = this.upstream;
    const all = Array.from({ length: times }, () => requests).flat();
    if (expected.tunnelled !== '') {
      await eventually('all of it is upstream', () => records.every(({ text }) => requests.includes(text)));
    }
    for (const { text } of records) this.recorded += text;
    if (expected.record === 'exact') return expect(records.map(({ text }) => text).sort()).toEqual(all.sort());
    const [atMost] = requests as [string];
    const head = atMost.slice(0, atMost.indexOf('\r\n\r\n') + 4);
    await eventually('the upstream connections are over', () => records.every(({ closed }) => closed));
    expect(records).toHaveLength(times);
    for (const { text, broken } of records) {
      expect(text.slice(0, head.length)).toBe(head);
      expect(atMost.startsWith(text), JSON.stringify(text.slice(-200))).toBe(true);
      expect(broken, 'seen as a reset').toBe(true);
    }
  }
}

/** All that comes back to the client. */
function textOf({ answers, tunnelled }: Expected, requests: readonly string[]): string {
  const tunnel = requests.some((text) => text.startsWith('CONNECT '));
  return answers.map((answer) => answerText(answer, tunnel)).join('') + withCredentials(tunnelled);
}

function holdOutcome(outcome: Outcome, back: string, ends: boolean, pieces: readonly Buffer[]): void {
  const cut = `in pieces of ${pieces.slice(0, 16).map((piece) => piece.length)}`;
  // Who sends more than is read to its end may meet a reset that takes the answer away (E17): it is whole or nothing.
  if (outcome.sent > LINGERED && outcome.text === '') return;
  expect(masked(outcome.text), cut).toBe(back);
  if (outcome.sent > LINGERED) return;
  expect(outcome.ended, cut).toBe(ends);
  expect(outcome.reset, cut).toBe(false);
}

/** Makes the tests of these cases, and of the credential in what they sent upstream. */
export function runCases(cases: readonly Case[]): void {
  let run: CatalogueRun;
  beforeAll(async () => {
    run = await CatalogueRun.start();
  });
  afterAll(() => run.close());

  const variants = new Map<string, number>();
  const numbered = cases.map((one) => {
    const variant = variants.get(one.id) ?? 0;
    variants.set(one.id, variant + 1);
    return { ...one, variant };
  });

  describe.each(numbered)('$id $name', ({ octets: text, expected, followed, reply, variant }) => {
    const alone = Buffer.from(withCredentials(text), 'latin1');
    const octets = followed ? Buffer.concat([alone, BEHIND]) : alone;
    test('whole', () => run.hold(expected, [[octets]], reply));

    test('cut in two', { timeout: full ? 300_000 : 30_000 }, async () => {
      const cuts = cutsOf(withCredentials(text), variant);
      await run.hold(
        expected,
        cuts.map((at) => [octets.subarray(0, at), octets.subarray(at)]),
        reply,
      );
    });

    test.runIf(octets.length <= SINGLY)('octet by octet', () => {
      if (expected.retry === undefined)
        return run.hold(expected, [[...octets].map((octet) => Buffer.of(octet))], reply);
      // Nothing is there behind the head yet when it is answered: the client may try again.
      const last = { ...expected.answers.at(-1)!, close: false };
      const open = { ...expected, answers: [...expected.answers.slice(0, -1), last] };
      return run.hold(open, [[...alone].map((octet) => Buffer.of(octet))], reply);
    });
  });

  test('a piece is read before the next is sent', async () => {
    run.upstream.expect([], OK);
    const pieces = ['GET / HTTP/1.1\r\n', 'Host: a.test\r\n', 'X: y\r\n', '\r\n'].map((piece) => Buffer.from(piece));
    const [outcome] = await run.clients.converse([pieces], ({ text }) => text.length > 0);
    // The request line alone is refused: its answer is there before anything else is sent.
    expect(outcome!.text).toMatch(/^HTTP\/1\.1 400 bad_request\r\n/);
    expect(outcome!.sent).toBe(pieces[0]!.length);
  });

  test('the client’s credential is in none of the octets that went upstream (P4)', () => {
    expect(run.recorded.length).toBeGreaterThan(10_000);
    for (const secret of SECRETS) expect(run.recorded.includes(secret), secret.slice(0, 3)).toBe(false);
  });
}
