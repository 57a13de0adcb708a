/** Where settings come from: which source wins, how each spells the names, and how a mistake is told. */
import { describe, expect, it } from 'vitest';
import { GATEWAY_LIMITS } from '../../src/core/limits.ts';
import { ALL_SETTINGS, environmentName, flagName, LIMIT_SETTINGS } from '../../src/settings.ts';
import { config, KEY, loaded, problems } from '../helpers/configuration.ts';

describe('sources', () => {
  const files = { '/srv/sallyport.yaml': 'rpcRate: 10\nrpcBurst: 10\ndrainGrace: 10s\n' };

  it('flags win over the environment, that over the file, that over defaults', () => {
    const { rpcRate, rpcBurst, drainGraceMs, drainDelayMs } = config({
      files,
      env: { SALLYPORT_RPC_RATE: '20', SALLYPORT_RPC_BURST: '20' },
      argv: ['--config', 'sallyport.yaml', '--rpc-rate=30'],
    });
    expect({ rpcRate, rpcBurst, drainGraceMs, drainDelayMs }).toEqual({
      rpcRate: 30,
      rpcBurst: 20,
      drainGraceMs: 10_000,
      drainDelayMs: 0,
    });
  });

  it('each effective value names its origin, and secrets stay hidden', () => {
    const { effective } = loaded({
      files,
      env: { SALLYPORT_RPC_RATE: '20', SALLYPORT_BOOTSTRAP_KEY: KEY, SALLYPORT_CONFIG: 'sallyport.yaml' },
      argv: ['--rpc-burst', '30'],
    });
    const origins = Object.fromEntries(effective.map(({ name, origin }) => [name, origin]));
    expect(origins).toMatchObject({
      SALLYPORT_RPC_RATE: 'SALLYPORT_RPC_RATE',
      SALLYPORT_RPC_BURST: '--rpc-burst',
      SALLYPORT_DRAIN_GRACE: 'sallyport.yaml:3',
      SALLYPORT_DRAIN_DELAY: 'default',
    });
    expect(effective.find(({ name }) => name === 'SALLYPORT_BOOTSTRAP_KEY')?.value).toBe('(set, hidden)');
    expect(JSON.stringify(effective)).not.toContain(KEY);
  });

  it('empty environment values count as unset', () => {
    expect(config({ env: { SALLYPORT_RPC_RATE: '' } }).rpcRate).toBe(500);
  });

  it('a switch has three forms on the command line', () => {
    expect(config({ argv: ['--no-access-log'] }).accessLog).toBe(false);
    expect(config({ argv: ['--access-log=false'] }).accessLog).toBe(false);
    expect(config({ argv: ['--access-log'] }).accessLog).toBe(true);
  });

  it('listeners may be repeated, comma-separated, or a list in the file', () => {
    const expected = [
      { host: '127.0.0.1', port: 1 },
      { host: '::1', port: 2 },
    ].map((address) => ({ ...address, tls: null, errorStatus: 'standard', binding: null }));
    expect(config({ argv: ['--gateway-listen', '127.0.0.1:1', '--gateway-listen', '[::1]:2'] }).entrances).toEqual(
      expected,
    );
    expect(config({ env: { SALLYPORT_GATEWAY_LISTEN: '127.0.0.1:1, [::1]:2' } }).entrances).toEqual(expected);
    const list = { '/srv/a.yaml': 'gatewayListen: ["127.0.0.1:1", "[::1]:2"]' };
    expect(config({ files: list, argv: ['--config=a.yaml'] }).entrances).toEqual(expected);
  });

  it('the first key comes from a file as well, trimmed', () => {
    const files = { '/run/key': `${KEY}\n` };
    expect(config({ files, env: { SALLYPORT_BOOTSTRAP_KEY_FILE: '/run/key' } }).bootstrapKey).toBe(KEY);
  });
});

describe('names', () => {
  it('each limit of the gateway has a setting with its bounds, at the bound and one beyond', () => {
    expect([...LIMIT_SETTINGS.values()].map(({ limit }) => limit)).toEqual(Object.keys(GATEWAY_LIMITS));
    for (const [name, { limit }] of LIMIT_SETTINGS) {
      const { min, max } = GATEWAY_LIMITS[limit];
      const unit = limit.endsWith('Ms') ? 'ms' : '';
      const at = (value: number) => ({ env: { [environmentName(name)]: `${value}${unit}` } });
      expect(config(at(min)).limits[limit], name).toBe(min);
      expect(config(at(max)).limits[limit], name).toBe(max);
      expect(problems(at(max + 1)), name).toHaveLength(1);
      if (min > 0) expect(problems(at(min - 1)), name).toHaveLength(1);
    }
  });

  it('flag and environment names follow from the name', () => {
    expect([flagName('maxHeadBytes'), environmentName('maxHeadBytes')]).toEqual([
      'max-head-bytes',
      'SALLYPORT_MAX_HEAD_BYTES',
    ]);
    expect(new Set([...ALL_SETTINGS.keys()].map(environmentName)).size).toBe(ALL_SETTINGS.size);
  });

  it('unknown flags, file keys and near misses in the environment are refused with a suggestion', () => {
    const files = { '/srv/a.yaml': '# comment\nrpcRat: 5\nzebra: 1\n' };
    expect(
      problems({ files, argv: ['--config', 'a.yaml', '--data-dri', 'x'], env: { SALLYPORT_LOG_LEVLE: 'info' } }),
    ).toEqual([
      '"--data-dri": unknown flag; did you mean --data-dir?',
      '"SALLYPORT_LOG_LEVLE": unknown environment name; did you mean SALLYPORT_LOG_LEVEL?',
      'a.yaml:2: unknown name "rpcRat"; did you mean rpcRate?',
      'a.yaml:3: unknown name "zebra"',
    ]);
  });

  it('other unknown environment names are reported and do not stop the start', () => {
    const env = { SALLYPORT_TELEMETRY: '1', SALLYPORT_SERVICE_HOST: '10.0.0.1', SALLYPORT_API_KEY: KEY };
    expect(loaded({ env }).warnings).toEqual(['"SALLYPORT_TELEMETRY": unknown environment name']);
  });
});

describe('mistakes', () => {
  it('are all reported at once, one line each, with their origin', () => {
    const files = { '/srv/a.yaml': 'logLevel: loud\n' };
    const found = problems({
      files,
      argv: ['--config', 'a.yaml', '--rpc-rate', '0', 'extra'],
      env: { SALLYPORT_DRAIN_GRACE: '30', SALLYPORT_GATEWAY_LISTEN: '0.0.0.0:1' },
    });
    expect(found).toHaveLength(5);
    for (const origin of ['"extra"', '--rpc-rate', 'SALLYPORT_DRAIN_GRACE', 'SALLYPORT_GATEWAY_LISTEN', 'a.yaml:1']) {
      expect(found.filter((line) => line.startsWith(`${origin}: `))).toHaveLength(1);
    }
    expect(found.join('')).not.toContain('\n');
  });

  it.each([
    ['a flag without its value', ['--data-dir'], '--data-dir: needs a value'],
    ['a flag where a value belongs', ['--data-dir', '--rpc-rate=1'], '--data-dir: needs a value'],
    ['a flag given twice', ['--rpc-rate=1', '--rpc-rate=2'], '--rpc-rate: given twice'],
    ['a file that is not there', ['--config=none.yaml'], '"none.yaml": the configuration file cannot be read (ENOENT)'],
    ['a short flag', ['-d'], '"-d": unknown flag'],
  ])('%s', (_, argv, problem) => {
    expect(problems({ argv })).toContain(problem);
  });

  it.each([
    ['a doubled key', 'rpcRate: 1\nrpcRate: 2\n', 'a.yaml:2: not valid YAML (duplicate key)'],
    ['a list at the top', '- 1\n', 'a.yaml: must be a mapping of names to values'],
    ['a mapping where a value belongs', 'rpcRate:\n  x: 1\n', 'a.yaml:1: rpcRate needs one plain value'],
    ['an empty value', 'rpcRate:\n', 'a.yaml:1: rpcRate needs one plain value'],
  ])('%s in the file', (_, text, problem) => {
    expect(problems({ files: { '/srv/a.yaml': text }, argv: ['--config=a.yaml'] })).toEqual([problem]);
  });
});
