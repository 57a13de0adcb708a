/**
 * Mutated requests through the gateway: what it emits means to parsers of others what it
 * accepted. Here a short run with the judges that need no server; `npm run fuzz` asks them all.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runDifferential, streamOf, tryStream } from './differential.ts';
import { GatewayReader } from './expectation.ts';
import { blindSpots } from './judges/awake.ts';
import { findH11, H11 } from './judges/h11.ts';
import type { Judge } from './judges/judge.ts';
import { Llhttp } from './judges/llhttp.ts';
import { LANE_KEY, Lane } from './lane.ts';
import { minimise } from './minimise.ts';
import { Random } from './random.ts';
import { readRegressions } from './regressions/replay.ts';

const COUNT = 2_000;
const SEED = 20_261_124;

let lane: Lane;
const h11 = findH11();
const llhttp = new Llhttp();
const reader = new GatewayReader(LANE_KEY);

beforeAll(async () => {
  lane = await Lane.start();
});
afterAll(async () => {
  await lane.close();
  await llhttp.close();
});

describe('chance', () => {
  test('a seed makes the same inputs again, and another one others', () => {
    const streams = (seed: number) => Array.from({ length: 50 }, (_, n) => streamOf(seed, n, 'Basic x'));
    expect(streams(1)).toEqual(streams(1));
    expect(streams(2)).not.toEqual(streams(1));
    expect(new Set(streams(1)).size).toBe(50);
  });

  test('is spread evenly', () => {
    const random = new Random(1, 1);
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 40_000; i++) counts[random.below(4)]!++;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });
});

describe('mutated requests', () => {
  test(`${COUNT} of them: llhttp and the RFC checker read what was accepted`, async () => {
    const report = await runDifferential({ seed: SEED, from: 0, count: COUNT, judges: [llhttp] });
    expect(report.disagreements).toEqual([]);
    // Enough of them pass to say something, and enough are spoilt.
    expect(report.accepted).toBeGreaterThan(COUNT / 4);
    expect(report.accepted).toBeLessThan((COUNT * 3) / 4);
  });

  test.skipIf(h11 === null)('h11 agrees on some hundred more', async () => {
    const judge = new H11(h11!);
    const report = await runDifferential({ seed: SEED, from: COUNT, count: 300, judges: [judge] });
    await judge.close();
    expect(report.disagreements).toEqual([]);
  });

  test.each(readRegressions('').map(({ name, class: cases }) => [name, cases]))('%s (%s)', async (name) => {
    const { stream, requests } = readRegressions(lane.authorization).find((one) => one.name === name)!;
    const tried = await tryStream(lane, reader, 0, stream);
    expect([...tried.disagreements, ...(await llhttp.judge(tried.cases))]).toEqual([]);
    expect(tried.requests).toBe(requests);
  });
});

describe('what judges', () => {
  test('notices every way of being wrong', async () => {
    const judges: Judge[] = [llhttp, ...(h11 === null ? [] : [new H11(h11)])];
    expect(await blindSpots(judges)).toEqual([]);
    for (const judge of judges.slice(1)) await judge.close();
  });

  test('notices a request that is lost, and one too many', async () => {
    const get = (path: string) => `GET http://a.test/${path} HTTP/1.1\r\nHost: a.test\r\n\r\n`;
    const one = { method: 'GET', target: 'http://a.test/1', fields: [['Host', 'a.test']], body: '' } as const;
    const two = { ...one, target: 'http://a.test/2' };
    const judge = async (octets: string, requests: (typeof one)[]) =>
      (await llhttp.judge([{ input: 0, octets, expected: { requests, tail: 'nothing' } }])).map((d) => d.difference);
    expect(await judge(get('1') + get('2'), [one, two as unknown as typeof one])).toEqual([]);
    expect(await judge(get('1') + get('2'), [one])).toEqual(['2 requests instead of 1 (then nothing)']);
    expect(await judge(get('1'), [one, two as unknown as typeof one])).toEqual([
      '1 requests instead of 2 (then nothing)',
    ]);
    expect(await judge(`${get('1')}GET`, [one])).toEqual(['partial follows request 1, not nothing']);
    expect(await judge(`${get('1')}GET / HTTP/1.1\r\nA B\r\n\r\n`, [one])).toEqual([
      expect.stringMatching(/^refuses what follows request 1: HPE_/),
    ]);
  });

  test('a gateway that relays what was not to be relayed is found', async () => {
    const stream = `GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nProxy-Authorization: ${lane.authorization}\r\n\r\n`;
    const misled = { expect: () => ({ ...reader.expect(stream), requests: [] }) } as unknown as GatewayReader;
    const found = (await tryStream(lane, misled, 7, stream)).disagreements;
    expect(found).toMatchObject([{ judge: 'gateway', input: 7, difference: '1 relayed answers to 0 requests (200)' }]);
  });
});

test('a stream is made as short as its fault lets it', async () => {
  const fails = (stream: string) => Promise.resolve(stream.includes('\r\r') && stream.includes('Z'));
  expect(await minimise(`${'a'.repeat(300)}\r\r${'b'.repeat(100)}Z${'c'.repeat(50)}`, fails)).toBe('\r\rZ');
});
