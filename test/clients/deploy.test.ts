/**
 * What `deploy/` ships, in the tools that read it: promtool takes the configuration and the rules and
 * sees each alert fire; a real Prometheus scrapes a product that carries traffic, and every panel of the
 * dashboard and every alert has its answer; systemd and kubectl read the unit and the manifests.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findProgram, freePort } from '../../bench/lib/stage.ts';
import { Product } from '../helpers/product.ts';
import { Program } from '../helpers/program.ts';
import { ProxiedClient } from '../helpers/proxied.ts';
import { DEPLOY, panelQueries, readRules } from '../helpers/shipped-queries.ts';
import { startTarget, type Target } from '../helpers/target.ts';
import { RawClient, type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-deploy-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A test that needs a program, and says so where there is none. */
function testWith(program: string, name: string, run: (path: string) => Promise<void> | void): void {
  const path = findProgram(program);
  test.skipIf(path === null)(path === null ? `${program} is not installed: skipped, ${name}` : name, () => run(path!));
}

function outcome(path: string, args: readonly string[], cwd = DEPLOY) {
  const { status, stdout, stderr } = spawnSync(path, args, { cwd, encoding: 'utf8' });
  return { status, said: `${stdout}${stderr}` };
}

describe('promtool', () => {
  testWith('promtool', 'takes the configuration and the rules', (promtool) => {
    expect(outcome(promtool, ['check', 'config', 'prometheus/prometheus.yml'])).toMatchObject({ status: 0 });
    expect(outcome(promtool, ['check', 'rules', 'prometheus/alerts.yml'])).toMatchObject({
      status: 0,
      said: expect.stringContaining(`SUCCESS: ${readRules().length} rules found`),
    });
  });

  testWith('promtool', 'sees each alert fire alone, and none on a good day', (promtool) => {
    const passed = outcome(promtool, ['test', 'rules', 'alerts.test.yml'], join(DEPLOY, 'prometheus'));
    expect(passed).toMatchObject({ status: 0, said: expect.stringContaining('SUCCESS') });
  });

  testWith('promtool', 'would see a rule that never fires, and one that always does', (promtool) => {
    for (const [name, from, to] of [
      ['never', '> 0.85', '> 8500'],
      ['always', '> 0.85', '> 0.05'],
    ] as const) {
      const copy = join(folder, name);
      cpSync(join(DEPLOY, 'prometheus'), copy, { recursive: true });
      const text = readFileSync(join(copy, 'alerts.yml'), 'utf8');
      expect(text).toContain(from);
      writeFileSync(join(copy, 'alerts.yml'), text.replace(from, to));
      expect([name, outcome(promtool, ['test', 'rules', 'alerts.test.yml'], copy).status]).toEqual([name, 1]);
    }
  });
});

testWith('systemd-analyze', 'systemd takes the unit, and finds little exposed', (systemdAnalyze) => {
  const unit = join(folder, 'sallyport.service');
  const text = readFileSync(join(DEPLOY, 'systemd/sallyport.service'), 'utf8');
  // The program is checked for, and is not installed here.
  writeFileSync(unit, text.replace('/usr/bin/node', process.execPath));
  expect(outcome(systemdAnalyze, ['verify', unit])).toEqual({ status: 0, said: '' });
  const judged = outcome(systemdAnalyze, ['security', '--offline=true', '--threshold=20', unit]);
  expect(judged).toMatchObject({ status: 0, said: expect.stringMatching(/Overall exposure level.* OK/) });
});

testWith('kubectl', 'kubectl puts the manifests together, with the image and the namespace in each', (kubectl) => {
  const built = outcome(kubectl, ['kustomize', 'kubernetes']);
  expect(built).toMatchObject({ status: 0 });
  expect(built.said.match(/^kind: /gm)).toHaveLength(5);
  expect(built.said.match(/^ {2}namespace: sallyport$/gm)).toHaveLength(5);
  expect(built.said.match(/image: sallyport:0\.1\.0$/gm)).toHaveLength(2);
});

const prometheus = findProgram('prometheus');

describe.skipIf(prometheus === null)(
  prometheus === null ? 'prometheus is not installed: skipped' : 'Prometheus',
  () => {
    // The name under which the compose file has it called would not resolve here.
    const product = new Product();
    const tunnels: RawClient[] = [];
    let served: RecordingUpstream;
    let target: Target;
    let program: Program;
    let port: number;

    /** Values of an instant query; null when Prometheus is not ready or does not take it. */
    async function ask(query: string): Promise<number[] | null> {
      const response = await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(query)}`);
      if (!response.ok) return null;
      const { data } = (await response.json()) as { data: { result: { value: [number, string] }[] } };
      return data.result.map(({ value }) => Number(value[1]));
    }

    beforeAll(async () => {
      served = await startRecordingUpstream();
      target = await startTarget();
      await product.start();
      await prepare();
      await traffic();
      port = await freePort();
      program = await Program.serving(prometheus!, startArguments(), port);
    }, 90_000);
    afterAll(async () => {
      for (const tunnel of tunnels) tunnel.close();
      await program?.close();
      await product.destroy();
      await served?.close();
      await target?.close();
    });

    /** The shipped configuration with this product's address, and the shipped rules. */
    function startArguments(): string[] {
      const home = join(folder, 'prometheus');
      cpSync(join(DEPLOY, 'prometheus'), home, { recursive: true });
      const config = join(home, 'prometheus.yml');
      const text = readFileSync(config, 'utf8');
      const { host } = new URL(product.controlUrl);
      writeFileSync(config, text.replace('sallyport:7070', host).replaceAll(/: 15s$/gm, ': 1s'));
      const storage = `--storage.tsdb.path=${join(home, 'data')}`;
      return [`--config.file=${config}`, storage, `--web.listen-address=127.0.0.1:${port}`, '--log.level=error'];
    }

    /** A pool with a session that serves and one whose upstream is gone, so that requests move. */
    async function prepare(): Promise<void> {
      const gone = await startRecordingUpstream();
      await gone.close();
      for (const [token, at] of [
        ['serves', served.port],
        ['gone', gone.port],
      ] as const) {
        await addSession(token, at);
      }
    }

    async function addSession(token: string, at: number): Promise<string> {
      const { poolId, providerId } = product.bootstrap;
      const endpoint = { scheme: 'http', host: '127.0.0.1', port: at };
      return (await product.proxies('CreateSession', { poolId, providerId, token, ...endpoint })).session.id;
    }

    async function get(authorization: string): Promise<void> {
      const client = new ProxiedClient(product.gatewayPort);
      await client.get('http://a.test/', authorization);
      client.close();
    }

    /** Something of everything: served, moved, refused, a tunnel, a wrong key, sticky keys whose session goes. */
    async function traffic(): Promise<void> {
      for (let i = 0; i < 40; i++) await get(product.authorization('default'));
      const keys = ['a', 'b', 'c', 'd', 'e', 'f'].map((key) => product.authorization(`default-session-${key}`));
      const sessionId = await addSession('leaves', served.port);
      for (const key of keys) await get(key);
      await product.proxies('DeleteSession', { sessionId });
      for (const key of keys) await get(key);
      for (const wrong of [product.authorization('no-such-pool'), 'Basic ZGVmYXVsdDp3cm9uZw==']) await get(wrong);
      const head = `CONNECT 127.0.0.1:${target.port} HTTP/1.1\r\nHost: a\r\nProxy-Authorization: ${product.authorization('local')}\r\n\r\n`;
      const tunnel = await RawClient.connect(product.gatewayPort);
      await tunnel.send(head).until(({ text }) => text.includes('\r\n\r\n'));
      expect(tunnel.text).toMatch(/^HTTP\/1\.1 200 /);
      tunnels.push(tunnel);
    }

    test('scrapes the product as the shipped configuration says', { timeout: 90_000 }, async () => {
      await expect.poll(() => ask('up{job="sallyport"}'), { timeout: 30_000 }).toEqual([1]);
      // Rates want counters that grew between two scrapes.
      await traffic();
      const scrapes = 'count_over_time(up{job="sallyport"}[1m])';
      const before = (await ask(scrapes))![0]!;
      await expect.poll(async () => (await ask(scrapes))?.[0], { timeout: 30_000 }).toBeGreaterThan(before + 1);
    });

    /** What is empty here, and why. */
    const EMPTY: Readonly<Record<string, string>> = {
      Probes: 'no pool asks for them',
    };

    test.each(panelQueries('20s'))('has an answer for panel $panel', async ({ panel, query }) => {
      const title = panel.replace(/^\d+ /, '');
      const values = await ask(query);
      expect(values).not.toBeNull();
      if (title in EMPTY) expect(values).toEqual([]);
      else expect(values!.filter((value) => Number.isFinite(value))).not.toEqual([]);
    });

    test('weighs every alert, without a mistake, and none fires at once', async () => {
      const loaded = async () => {
        const response = await fetch(`http://127.0.0.1:${port}/api/v1/rules`);
        const { data } = (await response.json()) as {
          data: { groups: { rules: { name: string; health: string; state: string }[] }[] };
        };
        return data.groups.flatMap(({ rules }) => rules);
      };
      await expect
        .poll(async () => (await loaded()).every(({ health }) => health === 'ok'), { timeout: 30_000 })
        .toBe(true);
      expect((await loaded()).map(({ name }) => name)).toEqual(readRules().map(({ alert }) => alert));
      expect((await loaded()).filter(({ state }) => state === 'firing')).toEqual([]);
    });
  },
);
