/** What `docs/gateway.md` shows and counts, and the sizes of `docs/operating.md`, held to what the code takes and does. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromJson } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  CreatePoolRequestSchema,
  ProbeKindSchema,
  UpdatePoolRequestSchema,
} from '../../control/gen/proxies/v1/proxies_pb.ts';
import { defaultPolicy, policyOf } from '../../control/pool-policy.ts';
import { violationsOf } from '../../control/request-rules.ts';
import { MAX_FAILURES, WINDOW_MS } from '../../gateway/auth-throttle.ts';
import { Caps } from '../../gateway/caps.ts';
import { DESCRIPTOR_RESERVE } from '../../gateway/descriptors.ts';
import { loadConfig } from '../../src/config.ts';
import { CAUSES, type Cause } from '../../src/core/cause.ts';
import { parseDestination } from '../../src/core/destinations.ts';
import { defaultLimits } from '../../src/core/limits.ts';
import { LIMIT_SETTINGS } from '../../src/settings.ts';
import { loadEntrances } from '../../src/tls-files.ts';
import { makeCertificate } from '../helpers/target.ts';

const ROOT = join(import.meta.dirname, '../..');
const PAGE = readFileSync(join(ROOT, 'docs/gateway.md'), 'utf8');
const SIZES = readFileSync(join(ROOT, 'docs/operating.md'), 'utf8');

/** The fenced blocks of a language, each with the heading that it stands under. */
function blocks(language: string): { heading: string; text: string }[] {
  return PAGE.split(/^## /m).flatMap((section) => {
    const heading = section.slice(0, section.indexOf('\n'));
    return [...section.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
      .filter(([, kind]) => kind === language)
      .map(([, , text = '']) => ({ heading, text }));
  });
}

/** Rows of the first table of a section, without its head: cells as text. */
function rowsOf(heading: string, page = PAGE): string[][] {
  const section = page.split(/^##+ /m).find((one) => one.startsWith(`${heading}\n`)) ?? '';
  const lines = section.split('\n').filter((line) => line.startsWith('|'));
  return lines.slice(2).map((line) => line.slice(2, -2).split(' | '));
}

/** What of an UpdatePool's body is policy. */
function policiesIn(text: string): object {
  const { workspaceId: _, poolId: __, ...policies } = JSON.parse(text);
  return policies;
}

const number = (text: string): number => Number(text.replaceAll(',', ''));

describe('blocks', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-documents-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Every file that a block names exists, as an operator would have made it. */
  beforeAll(async () => {
    const { key, cert } = await makeCertificate();
    const files = [...PAGE.matchAll(/^ *\w+File: (\S+)$/gm)].map(([, name]) => join(folder, name!));
    expect(files).not.toEqual([]);
    mkdirSync(join(folder, 'tls'));
    for (const file of files) writeFileSync(file, file.endsWith('.key') ? key : cert, { mode: 0o600 });
  });

  test.each(blocks('yaml'))('the configuration under $heading is one to start with', ({ text }) => {
    const loaded = loadConfig({
      argv: ['--config', 'sallyport.yaml'],
      env: {},
      cwd: folder,
      readFile: (path) => (path.endsWith('.yaml') ? text : readFileSync(path, 'utf8')),
    });
    if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
    expect(loaded.warnings).toEqual([]);
    const { entrances } = loaded.config;
    expect(loadEntrances(entrances)).toHaveLength(entrances.length);
  });

  test('there are some of each subject', () => {
    expect(blocks('yaml').map(({ heading }) => heading)).toEqual([
      'Listeners and TLS',
      'Listeners and TLS',
      'Clients that send no credentials',
      'Where it may connect',
      'Stopping, and load balancers',
    ]);
  });

  const [destinationBlocks, updates] = [true, false].map((wanted) =>
    blocks('json').filter(({ heading }) => (heading === 'Where it may connect') === wanted),
  );

  test('there is an UpdatePool of each subject of a pool', () => {
    expect(updates!.map(({ heading }) => heading)).toEqual([
      'Choosing, keeping and moving',
      'Failover',
      'Health',
      'Probes',
      'Revoking',
    ]);
  });

  test.each(updates!)('the UpdatePool under $heading is one that the API takes', ({ text }) => {
    const request = fromJson(UpdatePoolRequestSchema, JSON.parse(text));
    expect(violationsOf(UpdatePoolRequestSchema, request)).toEqual([]);
    // Throws where two fields of a policy contradict each other.
    expect(JSON.parse(policyOf(request, defaultPolicy()))).toMatchObject(policiesIn(text));
  });

  test.each(destinationBlocks!)('the message under $heading is one that the API takes', ({ text }) => {
    const { destinations, limits } = fromJson(CreatePoolRequestSchema, JSON.parse(text));
    const rules = [...destinations!.allow, ...destinations!.deny].map(parseDestination);
    expect(rules.filter((rule) => typeof rule === 'string')).toEqual([]);
    expect([rules.length, destinations!.connectPorts, limits!.maxTunnelsPerSession]).toEqual([5, [443], 200]);
  });
});

describe('figures', () => {
  test('the table of bounds has every bound of the gateway, in order, with its default', () => {
    const told = rowsOf('Bounds').map(([name, fallback]) => [name, fallback]);
    expect(told).toEqual([...LIMIT_SETTINGS].map(([name, { row }]) => [`\`${name}\``, row.fallback]));
  });

  test('every cause on the page has the status that it is told by', () => {
    const told = [...PAGE.matchAll(/`([a-z_]+)`\s(\d{3}|cut)\b/g)].map(([, cause, status]) => ({ cause, status }));
    expect(told.length).toBeGreaterThan(LIMIT_SETTINGS.size / 2);
    const right = told.map(({ cause }) => ({ cause, status: `${CAUSES[cause as Cause]?.status || 'cut'}` }));
    expect(told).toEqual(right);
  });

  test.each(rowsOf('Descriptors', SIZES))(
    '%s descriptors are enough for %s clients',
    (descriptors = '', clients = '') => {
      expect(new Caps(defaultLimits, number(descriptors)).maxConnections).toBe(number(clients));
    },
  );

  test('the page has every kind of probe, and the metric that counts them', () => {
    const kinds = ProbeKindSchema.values.filter(({ number }) => number !== 0).map(({ name }) => `\`${name}\``);
    expect(rowsOf('Probes').map(([kind]) => kind)).toEqual(kinds);
    expect(PAGE).toContain('`sallyport_probes_total{outcome}`');
  });

  test('what no setting changes is what the code has', () => {
    expect(PAGE).toContain(`\n**Guessing keys.** ${MAX_FAILURES} wrong credentials within ${WINDOW_MS / 1_000} s `);
    expect(SIZES).toContain(`; ${DESCRIPTOR_RESERVE} are left for the database`);
  });
});
