/**
 * Real clients, each in its own language and of its own make, through the whole
 * product to real targets: one test a cell. What the client says it saw and what the
 * target saw must agree; between client and gateway a tap keeps the octets.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { full } from '../../helpers/full.ts';
import { type RecordingRelay, startRecordingRelay } from '../../helpers/recording-relay.ts';
import { eventually } from '../../helpers/wire.ts';
import { CLIENTS, type Entrance, type MatrixClient, type Prepared } from './clients.ts';
import { documentedError } from './page.ts';
import { runProgram } from './programs.ts';
import { EVERYWHERE, SCENARIOS, type Scenario, type ScenarioName, SMALL_BODY } from './scenarios.ts';
import { EXIT_ADDRESS, Stage } from './stage.ts';
import type { Visit } from './targets.ts';

const CELL_MS = full ? 900_000 : 60_000;
const WRONG_KEY = `sp_live_${'0'.repeat(48)}`;

let stage: Stage;
/** Paths of the files to send, by their length. */
const bodyFiles = new Map<number, string>();

beforeAll(async () => {
  stage = await Stage.open();
  for (const { bodyBytes, atFullSize } of Object.values<Scenario>(SCENARIOS)) {
    if (bodyBytes === undefined || (atFullSize && !full) || bodyFiles.has(bodyBytes)) continue;
    bodyFiles.set(bodyBytes, await stage.writeLarge(bodyBytes));
  }
});
afterAll(() => stage?.close());

/** A client, how it enters, and what its preparation left. */
interface Player {
  readonly client: MatrixClient;
  readonly entrance: Entrance;
  prepared: Prepared;
}

/** The proxy's URL as this scenario wants it, at this port; by name where TLS needs one. An IPv6 target needs an exit that has no IPv4 address. */
function proxyUrl(scenario: Scenario, entrance: Entrance, port: number): string {
  const pool = scenario.credentials === 'no-pool' ? 'no-such-pool' : scenario.ipv6 ? 'local' : 'matrix';
  const key = scenario.credentials === 'wrong-key' ? WRONG_KEY : stage.product.bootstrap.apiKey;
  return `${entrance}://${pool}:${key}@${entrance === 'https' ? 'localhost' : '127.0.0.1'}:${port}`;
}

/** Each client comes from an address of its own, as the gateway holds the wrong keys of one against all who share it. */
function addressOf(client: MatrixClient): string {
  return `127.0.1.${CLIENTS.indexOf(client) + 1}`;
}

/** Runs one cell and checks it; when it fails, with the octets between client and gateway. */
async function runCell({ client, entrance, prepared }: Player, name: ScenarioName): Promise<void> {
  const scenario: Scenario = SCENARIOS[name];
  const { targets, authority, product, folder } = stage;
  const cell = `${client.name}.${entrance}.${name}`;
  const gatewayPort = entrance === 'https' ? stage.tlsPort : product.gatewayPort;
  const tap: RecordingRelay | null = scenario.large ? null : await startRecordingRelay(gatewayPort, addressOf(client));
  const proxy = proxyUrl(scenario, entrance, tap?.port ?? gatewayPort);
  const home = join(folder, client.name);
  const environment = {
    ...authority.environment,
    ...{ HOME: home, PROXY: proxy, BODY: SMALL_BODY, BODY_FILE: bodyFiles.get(scenario.bodyBytes ?? 0) ?? '' },
    ...client.environment?.(proxy),
    ...prepared.environment,
  };
  try {
    const [program, ...args] = client.command(home);
    const words = [scenario.program ?? name, ...scenario.urls(targets, cell)];
    const { answers, stderr } = await runProgram([program, ...args, ...words], environment);
    const visits = targets.visits(cell);
    await eventually('every answer ended', () => visits.every(({ outcome }) => outcome !== 'open'));
    const answered = tap?.answered().toString('latin1') ?? '';
    try {
      const documented = (of: 'wrong-key' | 'refused'): string => documentedError(client.name, of);
      scenario.check({ cell, targets, answers, visits, answered, documented });
      expectThroughUs(visits, scenario.ipv6 === true, tap);
      expectNoTrace(visits);
    } catch (error) {
      const sent = tap?.sent().toString('latin1') ?? '';
      const told = { answers: JSON.stringify(answers), stderr, sent, answered };
      for (const [what, text] of Object.entries(told)) (error as Error).message += `\n${what}: ${readable(text)}`;
      throw error;
    }
  } finally {
    await tap?.close();
  }
}

/** The beginning of what may be binary, fit for a terminal. */
function readable(text: string): string {
  return text.slice(0, 2_000).replaceAll(/[^\n\x20-\x7e]+/g, '·');
}

/** A client that went around the gateway would look just as well served. */
function expectThroughUs(visits: readonly Visit[], ipv6: boolean, tap: RecordingRelay | null): void {
  if (ipv6) expect(tap!.sent().toString('latin1')).toContain('[::1]:');
  else expect(visits.map(({ from }) => from)).toEqual(visits.map(() => EXIT_ADDRESS));
}

/** Nothing at the target tells of us, or of any credential; what a client says inside its own TLS is its own. */
function expectNoTrace(visits: readonly Visit[]): void {
  const lines = visits.flatMap((visit) => (visit.scheme === 'http' ? visit.lines : [])).join('\n');
  expect(lines).not.toMatch(/^proxy-|sallyport:|sp_live_/im);
  for (const pool of ['matrix', 'local']) {
    expect(lines).not.toContain(stage.product.authorization(pool).slice('Basic '.length));
  }
}

const TITLES: Record<Entrance, string> = { http: '', socks5h: ' over SOCKS5', https: ' over TLS' };

for (const client of CLIENTS) {
  for (const entrance of ['http', ...(client.entrances ?? [])] as const) {
    const { missing, cannot } = client;
    const title = `${client.name}${TITLES[entrance]}`;
    describe.skipIf(missing !== null)(
      missing === null ? title : `${title}: ${missing} is not installed: skipped`,
      () => {
        const player: Player = { client, entrance, prepared: {} };
        beforeAll(async () => {
          mkdirSync(join(stage.folder, client.name), { recursive: true });
          player.prepared = (await client.prepare?.(join(stage.folder, client.name))) ?? {};
        }, 180_000);
        afterAll(() => player.prepared.close?.());

        const all = entrance === 'http' ? (Object.keys(SCENARIOS) as ScenarioName[]) : EVERYWHERE;
        const runs = (name: ScenarioName): boolean => full || !(SCENARIOS[name] as Scenario).atFullSize;
        const names = all.filter((name) => !(name in cannot) && name !== 'abort' && runs(name));
        test.concurrent.each(names)('%s', (scenario) => runCell(player, scenario), CELL_MS);

        // Alone, as it is the gateway's whole holdings that must be gone.
        test('abort', async () => {
          await runCell(player, 'abort');
          await expect.poll(() => held(), { timeout: 5_000, interval: 50 }).toEqual([]);
        });
      },
    );
  }
}

test('at least 14 clients of at least 14 scenarios each', () => {
  const counts = CLIENTS.map(({ cannot }) => Object.keys(SCENARIOS).length - Object.keys(cannot).length);
  expect(Object.keys(SCENARIOS).length).toBeGreaterThanOrEqual(14);
  expect(counts.filter((count) => count >= 14).length).toBeGreaterThanOrEqual(14);
});

/** The gauges of what the gateway holds for clients that are not zero. */
async function held(): Promise<string[]> {
  const page = await stage.product.metrics();
  const gauges = page.match(/^sallyport_(?:tunnels_active\{[^}]*\}|client_connections) \S+$/gm) ?? [];
  expect(gauges.length).toBeGreaterThan(1);
  return gauges.filter((line) => !line.endsWith(' 0'));
}
