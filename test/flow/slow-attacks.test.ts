/**
 * Slow attacks (S12): crowds that dribble heads, dribble bodies, or read in dribs, while honest clients send at a
 * fixed rate from another process. They are judged by errors, by how long slow heads live, and from CI's size on
 * against a baseline of the same run, by the middle of the half seconds' figures: with as much more as requests past
 * the gateway, sent at the same time, took longer than they did before, since attackers and others share its cores.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Crowd, median, type SlowKind, type Window } from '../helpers/crowd.ts';
import { full, whole } from '../helpers/full.ts';
import { mib, residentBytes } from '../helpers/process-figures.ts';
import { Product } from '../helpers/product.ts';

const ALL: readonly SlowKind[] = ['head', 'body', 'read'];
/** At the largest size each kind has its own crowd of 4,000 for a minute; else all of them come together. */
const CROWDS = whole ? ALL.map((kind) => ({ kinds: [kind], each: 4_000 })) : [{ kinds: ALL, each: full ? 1_334 : 100 }];
const ATTACK_MS = full ? 60_000 : 4_000;
const BASELINE_MS = full ? 15_000 : 2_000;
const HEAD_TIMEOUT_MS = full ? 10_000 : 2_000;
const PER_SECOND = 200;

const product = new Product({
  SALLYPORT_ACCESS_LOG: 'false',
  SALLYPORT_HEAD_TIMEOUT: `${HEAD_TIMEOUT_MS}ms`,
});
let serving: Crowd;
let honest: Crowd;
let attackers: Crowd;
let straightPort: number;

beforeAll(async () => {
  [serving, honest, attackers] = await Promise.all([Crowd.start(), Crowd.start(), Crowd.start()]);
  await product.start();
  straightPort = await serving.order<number>({ do: 'serve' });
  const { poolId, providerId } = product.bootstrap;
  await product.proxies('CreateSession', {
    poolId,
    providerId,
    token: 's',
    scheme: 'http',
    host: '127.0.0.1',
    port: straightPort,
  });
});
afterAll(async () => {
  await Promise.all([serving, honest, attackers].map((crowd) => crowd?.close()));
  await product.destroy();
});

function headOf(line: string, lines = ''): string {
  return `${line} HTTP/1.1\r\nHost: a.test\r\nProxy-Authorization: ${product.authorization('default')}\r\n${lines}\r\n`;
}

const ATTACK: Readonly<Record<SlowKind, () => string>> = {
  head: () => headOf('GET http://a.test/ok'),
  body: () => headOf('POST http://a.test/ok', 'Content-Length: 1000000\r\n'),
  read: () => headOf('GET http://a.test/big'),
};

interface Report {
  readonly windows: readonly Window[];
  readonly errors: number;
}

/** Lets the honest go on for so long; answers how they fared. */
async function honestFor(ms: number): Promise<Report> {
  await honest.order({ do: 'windows' });
  await new Promise((resolve) => setTimeout(resolve, ms));
  return honest.order({ do: 'windows' });
}

const middle = ({ windows }: Report, figure: 'p50' | 'p99' | 'straightP99'): number =>
  median(windows.map((window) => window[figure]));
const told = (report: Report): string => {
  const [p50, p99, straight] = (['p50', 'p99', 'straightP99'] as const).map((one) => middle(report, one).toFixed(2));
  return `p50 ${p50} ms, p99 ${p99} ms (straight ${straight})`;
};

test.for(CROWDS)(
  'honest traffic beside $each slow clients of the kinds $kinds',
  { timeout: 300_000 },
  async ({ kinds, each }, { annotate }) => {
    const port = product.gatewayPort;
    const head = headOf('GET http://a.test/ok');
    await honest.order({ do: 'steady', port, straightPort, head, perSecond: PER_SECOND, connections: 16 });
    await honestFor(BASELINE_MS / 2);
    const before = await honestFor(BASELINE_MS);
    const resident = residentBytes(product.pid);
    for (const kind of kinds) {
      const open = await attackers.order<number>({ do: 'slow', kind, n: each, port, head: ATTACK[kind]() });
      expect(open).toBeGreaterThan(each * 0.9);
    }
    const beside = await honestFor(ATTACK_MS);
    const grown = residentBytes(product.pid) - resident;
    const lived = await attackers.order<number[]>({ do: 'lived' });
    await attackers.order({ do: 'stop' });
    const after = await honestFor(BASELINE_MS / 2);
    await honest.order({ do: 'stop' });
    await annotate(
      `honest: before ${told(before)}; beside ${told(beside)}; after ${told(after)}; RSS ${mib(grown)} more`,
    );

    expect([before.errors, beside.errors, after.errors]).toEqual([0, 0, 0]);
    const answered = beside.windows.reduce((sum, { count }) => sum + count, 0);
    expect(answered).toBeGreaterThan((ATTACK_MS / 1_000) * PER_SECOND * 0.9);
    if (full) {
      const machine = Math.max(1, middle(beside, 'straightP99') / middle(before, 'straightP99'));
      expect(middle(beside, 'p99') / middle(before, 'p99')).toBeLessThanOrEqual(2 * machine);
    }
    if (kinds.includes('head')) {
      expect(lived.length).toBeGreaterThanOrEqual(each);
      await annotate(`heads lived ${Math.min(...lived).toFixed(0)}–${Math.max(...lived).toFixed(0)} ms`);
      expect(Math.max(...lived)).toBeLessThanOrEqual(HEAD_TIMEOUT_MS + 1_000);
    }
  },
);
