/**
 * What `deploy/` ships, held to the product: metrics that exist, settings that exist, links that lead
 * somewhere, and the shape that Grafana, Prometheus and Kubernetes want. What only the real tools
 * can tell is in `test/clients/deploy.test.ts`.
 */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { createPlaneMetrics } from '../../control/metrics/registry.ts';
import { loadConfig } from '../../src/config.ts';
import { ALL_SETTINGS, environmentName, SETTINGS } from '../../src/settings.ts';
import { emptySnapshot } from '../helpers/control-rig.ts';
import { faultOfLink } from '../helpers/pages.ts';
import { DEPLOY, panelQueries, readDashboard, readRules } from '../helpers/shipped-queries.ts';

const ROOT = join(DEPLOY, '..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const rules = readRules();
const dashboard = readDashboard();

describe('queries', () => {
  /** Names of series that the page has, from its families. */
  const published = new Set(['up', 'absent']);
  beforeAll(async () => {
    const { text } = await createPlaneMetrics('0.0.0', async () => emptySnapshot()).render();
    for (const [, name = '', type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
      const ends = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
      for (const end of ends) published.add(name + end);
    }
  });

  /** What a query asks of by name: words that a selector follows. */
  const namesIn = (query: string) => [...query.matchAll(/([a-z_]\w*)\{/g)].map(([, name]) => name!);

  test('the page of the product is read', () => {
    expect(published).toContain('sallyport_resolve_duration_seconds_bucket');
    expect(published).not.toContain('sallyport_resolve_duration_seconds');
  });

  test.each(panelQueries('5m'))('of panel $panel asks of what is published', ({ query }) => {
    expect(namesIn(query)).not.toEqual([]);
    expect(namesIn(query).filter((name) => !published.has(name))).toEqual([]);
    // Nothing stands without the job: another program's process metrics would be mixed in.
    expect(query.match(/\{/g)).toHaveLength(query.match(/\{job="sallyport"/g)?.length ?? 0);
  });

  test.each(rules)('of alert $alert asks of what is published', ({ expr }) => {
    expect(namesIn(expr)).not.toEqual([]);
    expect(namesIn(expr).filter((name) => !published.has(name))).toEqual([]);
    expect(expr.match(/\{/g)).toHaveLength(expr.match(/\{job="sallyport"/g)?.length ?? 0);
  });

  test('every metric of ours is on the dashboard', () => {
    const ours = [...published].filter((name) => /^sallyport_.*(?<!_bucket|_sum|_count)$/.test(name));
    const asked = panelQueries('5m').flatMap(({ query }) => namesIn(query));
    const notPlotted = ['sallyport_store_rows_total'];
    expect(ours.filter((name) => !asked.includes(name))).toEqual(notPlotted);
  });
});

describe('alert rules', () => {
  test.each(rules)('$alert says how bad it is, what to do, and where to read on', (rule) => {
    expect(rule.for).toMatch(/^\d+[mh]$/);
    expect(['critical', 'warning']).toContain(rule.labels.severity);
    expect(rule.annotations.summary).toMatch(/^\S.*\.$/);
    expect(rule.annotations.description!.length).toBeGreaterThan(60);
    const runbook = rule.annotations.runbook!;
    expect(runbook).toMatch(/^(docs|deploy)\/\S+\.md#\S+$/);
    expect(faultOfLink('README.md', runbook)).toBeNull();
  });

  test('each has a test of promtool that makes it fire', () => {
    const { tests } = parse(read('deploy/prometheus/alerts.test.yml')) as {
      tests: { promql_expr_test: { exp_samples: { labels: string }[] }[] }[];
    };
    const fired = tests.flatMap((one) => one.promql_expr_test.flatMap((each) => each.exp_samples));
    const names = new Set(fired.map(({ labels }) => /alertname="(\w+)"/.exec(labels)![1]));
    expect([...names].sort()).toEqual(rules.map(({ alert }) => alert).sort());
  });
});

describe('the dashboard', () => {
  const drawn = dashboard.panels.filter(({ type }) => type !== 'row');

  test('each panel has an identifier of its own, a data source, a unit and a word on what it shows', () => {
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    for (const { title, datasource, targets = [], fieldConfig, description } of drawn) {
      expect([title, datasource?.uid, targets.length > 0]).toEqual([title, `\${datasource}`, true]);
      expect(fieldConfig?.defaults.unit, title).toBeTruthy();
      expect(description, title).toMatch(/\.$/);
      expect(new Set(targets.map(({ refId }) => refId)).size, title).toBe(targets.length);
    }
  });

  test('no panel lies on another, or beyond the edge', () => {
    const taken = new Map<string, string>();
    for (const { title, gridPos } of dashboard.panels) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.get(`${x} ${y}`), `${title} at ${x} ${y}`).toBeUndefined();
          taken.set(`${x} ${y}`, title);
        }
      }
    }
  });

  test('every variable that a query has is one of the dashboard, or of Grafana', () => {
    const names = dashboard.templating.list.map(({ name }) => name);
    const used = [...JSON.stringify(dashboard.panels).matchAll(/\$\{?(\w+)/g)].map(([, name]) => name!);
    expect([...new Set(used)].filter((name) => name !== '__rate_interval').sort()).toEqual(names.sort());
  });
});

describe('settings', () => {
  const secretFiles = Object.entries(SETTINGS).flatMap(([name, row]) => ('secret' in row ? [`${name}File`] : []));
  const known = new Set([...ALL_SETTINGS.keys(), ...secretFiles].map(environmentName));
  const files = ['Dockerfile', ...globSync('deploy/**/*.{yaml,yml,service,md}', { cwd: ROOT })];

  test.each(files)('of %s exist', (file) => {
    const named = [...read(file).matchAll(/SALLYPORT_[A-Z_]+/g)].map(([name]) => name);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });

  const container = () => {
    const { spec } = parse(read('deploy/kubernetes/statefulset.yaml'));
    return spec.template.spec.containers[0] as { env: { name: string; value: string }[] };
  };
  const ofImage = () =>
    [...read('Dockerfile').matchAll(/(SALLYPORT_\w+)=(\S+)/g)].map(([, name, value]) => [name, value]);
  const ofUnit = () =>
    [...read('deploy/systemd/sallyport.service').matchAll(/^Environment=(.*)$/gm)]
      .flatMap(([, line = '']) => line.replaceAll('%S', '/var/lib').split(' '))
      .map((pair) => pair.split('='));
  const ofCompose = () =>
    Object.entries(parse(read('deploy/compose.yaml'), { merge: true }).services.sallyport.environment);
  const places = {
    'the image': { pairs: ofImage, graceSeconds: () => 45 },
    compose: {
      pairs: () => [...ofImage(), ...ofCompose()],
      graceSeconds: () =>
        Number.parseInt(parse(read('deploy/compose.yaml'), { merge: true }).services.sallyport.stop_grace_period, 10),
    },
    Kubernetes: {
      pairs: () => [...ofImage(), ...container().env.map(({ name, value }) => [name, value])],
      graceSeconds: () =>
        parse(read('deploy/kubernetes/statefulset.yaml')).spec.template.spec.terminationGracePeriodSeconds,
    },
    systemd: {
      pairs: ofUnit,
      graceSeconds: () => Number(/^TimeoutStopSec=(\d+)$/m.exec(read('deploy/systemd/sallyport.service'))![1]),
    },
  };

  test.each(Object.entries(places))(
    'of %s are taken, and it is given time to drain',
    (_name, { pairs, graceSeconds }) => {
      const env = Object.fromEntries(pairs()) as Record<string, string>;
      const loaded = loadConfig({ argv: [], env, cwd: '/', readFile: () => '', terminal: false });
      expect(loaded).toMatchObject({ ok: true, warnings: [] });
      if (!loaded.ok) return;
      const needed = (loaded.config.drainDelayMs + loaded.config.drainGraceMs) / 1_000 + 1;
      expect(graceSeconds()).toBeGreaterThan(needed);
    },
  );
});

test('every manifest is YAML without a mistake, of one kind each', () => {
  for (const file of globSync('deploy/**/*.{yaml,yml}', { cwd: ROOT })) {
    for (const document of parseAllDocuments(read(file), { merge: true })) {
      expect([file, document.errors, document.warnings]).toEqual([file, [], []]);
      if (file.startsWith('deploy/kubernetes/'))
        expect(document.toJS()).toMatchObject({ apiVersion: expect.any(String), kind: expect.any(String) });
    }
  }
});

test('what the compose file mounts and the manifests list is there', () => {
  const { services } = parse(read('deploy/compose.yaml'), { merge: true }) as {
    services: Record<
      string,
      { volumes: string[]; image: string; ports: string[]; read_only: boolean; cap_drop: string[] }
    >;
  };
  const { resources } = parse(read('deploy/kubernetes/kustomization.yaml')) as { resources: string[] };
  const mounted = Object.values(services).flatMap(({ volumes }) => volumes.map((volume) => volume.split(':')[0]!));
  const files = [...mounted.filter((name) => name.startsWith('./')), ...resources.map((name) => `kubernetes/${name}`)];
  expect(files.length).toBeGreaterThan(4);
  expect(files.filter((file) => globSync(file, { cwd: DEPLOY }).length === 0)).toEqual([]);
  for (const [name, service] of Object.entries(services)) {
    expect([name, service.read_only, service.cap_drop]).toEqual([name, true, ['ALL']]);
    expect(service.image, name).toMatch(/:v?\d+\.\d+\.\d+$/);
    expect(service.ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
  }
});

describe('the image', () => {
  const dockerfile = read('Dockerfile');
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, names = '']) => names.split(' '));

  test('is given all that it copies, and the bundler all that it imports', () => {
    const sent = read('.dockerignore').split('\n');
    expect(copied.length).toBeGreaterThan(8);
    expect(copied.filter((name) => !sent.includes(`!${name}`))).toEqual([]);
    const imported = [...read('scripts/bundle.ts').matchAll(/from '\.\/([^']+)'/g)].map(
      ([, name]) => `scripts/${name}`,
    );
    expect(imported).not.toEqual([]);
    expect(imported.filter((name) => !copied.includes(name))).toEqual([]);
  });

  test('has a place for the temporary files of SQLite, as its root is read-only', () => {
    expect(dockerfile).toMatch(/^VOLUME \["\/data"\]$/m);
    expect(dockerfile).toMatch(/\bSQLITE_TMPDIR=\/data\b/);
  });

  test('is of the Node that is pinned', () => {
    const { node } = JSON.parse(read('package.json')).devDependencies;
    const bases = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, base]) => base);
    expect(bases).toEqual([`node:${node}-bookworm-slim`, `node:${node}-bookworm-slim`]);
  });
});
