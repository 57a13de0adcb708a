import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { type Config, type ConfigInputs, loadConfig } from '../../src/config.ts';
import { defaultLimits, GATEWAY_LIMITS } from '../../src/core/limits.ts';
import { ALL_SETTINGS, environmentName, flagName, LIMIT_SETTINGS } from '../../src/settings.ts';

const KEY = `sp_live_${'c0ffee12'.repeat(4)}`;

function inputs(partial: Partial<ConfigInputs> & { files?: Record<string, string> }): ConfigInputs {
  return {
    argv: [],
    env: {},
    cwd: '/srv',
    readFile: (path) => {
      const text = partial.files?.[path];
      if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
      return text;
    },
    ...partial,
  };
}

function loaded(partial: Parameters<typeof inputs>[0]) {
  const result = loadConfig(inputs(partial));
  if (!result.ok) throw new Error(result.problems.join('\n'));
  return result;
}

function config(partial: Parameters<typeof inputs>[0]): Config {
  return loaded(partial).config;
}

function problems(partial: Parameters<typeof inputs>[0]): readonly string[] {
  const result = loadConfig(inputs(partial));
  return result.ok ? [] : result.problems;
}

describe('defaults', () => {
  it('are those of the operating guide', () => {
    expect(config({})).toEqual({
      dataDir: '/srv/data',
      databasePath: '/srv/data/sallyport.db',
      controlListen: { host: '127.0.0.1', port: 7070 },
      entrances: [{ host: '127.0.0.1', port: 3128, tls: null, errorStatus: 'standard', binding: null }],
      clientRanges: [],
      masterKey: { value: null, file: '/srv/data/master.key', previous: null },
      bootstrapKey: null,
      logLevel: 'info',
      logFormat: 'json',
      accessLog: true,
      drainGraceMs: 30_000,
      drainDelayMs: 0,
      dnsServers: null,
      upstreamsAllowPrivate: true,
      upstreamAuthorities: [],
      rpcRate: 500,
      rpcBurst: 1_000,
      webshareApiUrl: 'https://proxy.webshare.io/api/v2/',
      proxylineApiUrl: 'https://panel.proxyline.net/api/',
      vendorTimeoutMs: 10_000,
      limits: defaultLimits,
    });
  });

  it("take vendors' addresses that keep a key safe, with a slash at the end", () => {
    const of = (value: string) => config({ env: { SALLYPORT_WEBSHARE_API_URL: value } }).webshareApiUrl;
    expect(of('https://Vendor.example/api')).toBe('https://vendor.example/api/');
    expect(of('http://127.0.0.1:8080/')).toBe('http://127.0.0.1:8080/');
    expect(of('http://[::1]:8080')).toBe('http://[::1]:8080/');
  });

  it('follow the data directory and the terminal', () => {
    const { dataDir, databasePath, masterKey, logFormat } = config({ argv: ['--data-dir', '/var/sp'], terminal: true });
    expect({ dataDir, databasePath, masterKey, logFormat }).toEqual({
      dataDir: '/var/sp',
      databasePath: '/var/sp/sallyport.db',
      masterKey: { value: null, file: '/var/sp/master.key', previous: null },
      logFormat: 'pretty',
    });
  });
});

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

describe('values', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5s', 1_500],
    ['15m', 900_000],
    ['1h', 3_600_000],
    ['0', 0],
  ])('%s is a duration', (text, ms) => {
    expect(config({ env: { SALLYPORT_DRAIN_GRACE: text } }).drainGraceMs).toBe(ms);
  });

  it.each(['30', '-1s', '1e3s', '61m', 'soon', '1 s', '٣s', '0x10s', '1s\n2s'])('%j is no drain grace', (text) => {
    expect(problems({ env: { SALLYPORT_DRAIN_GRACE: text } })).toHaveLength(1);
  });

  it.each(['16KiB', '16kib', '16384', '16384B'])('%s is sixteen kibibytes', (text) => {
    expect(config({ env: { SALLYPORT_MAX_HEAD_BYTES: text } }).limits.maxHeadBytes).toBe(16_384);
  });

  it.each([
    '127.0.0.1',
    '127.0.0.1:65536',
    ':7070',
    '::1:7070',
    '[::1]',
    '[127.0.0.1]:1',
    '127.0.0.1:-1',
    'a b:1',
    'http://127.0.0.1:1',
    '127.0.0.1:1,',
  ])('%j is no listen address', (text) => {
    expect(problems({ env: { SALLYPORT_GATEWAY_LISTEN: text } })).toHaveLength(1);
  });

  it.each(['data.db', 'sqlite:', 'sqlite::memory:', 'sqlite://host/a', 'postgres://u:s3cret@h/d'])(
    '%s is no database',
    (text) => {
      const [problem] = problems({ env: { SALLYPORT_DATABASE_URL: text } });
      expect(problem).toMatch(/^SALLYPORT_DATABASE_URL: this is not /);
      expect(problem).not.toContain('s3cret');
    },
  );

  it('a relative database path starts at the working directory', () => {
    expect(config({ env: { SALLYPORT_DATABASE_URL: 'sqlite:x/y.db' } }).databasePath).toBe('/srv/x/y.db');
  });
});

describe('addresses', () => {
  it.each([
    ['192.0.2.53', ['192.0.2.53']],
    ['192.0.2.53:5353, 2001:db8::53', ['192.0.2.53:5353', '[2001:db8::53]']],
    ['[2001:db8::53]:53,[::1]', ['[2001:db8::53]:53', '[::1]']],
  ])('%s are DNS servers', (text, servers) => {
    expect(config({ env: { SALLYPORT_DNS_SERVERS: text } }).dnsServers).toEqual(servers);
  });

  it.each([
    'dns.test',
    '192.0.2',
    '192.0.2.53:0',
    '192.0.2.53:65536',
    '192.0.2.53:',
    '[192.0.2.53]',
    '::1:x',
    'fe80::1%lo',
    ',',
  ])('%j is no DNS server', (text) => expect(problems({ env: { SALLYPORT_DNS_SERVERS: text } })).toHaveLength(1));

  it('private upstreams are allowed while only this machine reaches the listeners, or when the operator says so', () => {
    const allowed = (env: Record<string, string>) => config({ env }).upstreamsAllowPrivate;
    const wide = { SALLYPORT_ALLOW_REMOTE: 'true' };
    expect(allowed({ SALLYPORT_GATEWAY_LISTEN: '127.0.0.1:1,[::1]:2', SALLYPORT_CONTROL_LISTEN: 'localhost:3' })).toBe(
      true,
    );
    expect(allowed({ ...wide, SALLYPORT_GATEWAY_LISTEN: '127.0.0.1:1,0.0.0.0:2' })).toBe(false);
    expect(allowed({ ...wide, SALLYPORT_CONTROL_LISTEN: '192.0.2.1:3' })).toBe(false);
    expect(allowed({ ...wide, SALLYPORT_GATEWAY_LISTEN: '0.0.0.0:2', SALLYPORT_UPSTREAMS_ALLOW_PRIVATE: 'true' })).toBe(
      true,
    );
    expect(allowed({ SALLYPORT_UPSTREAMS_ALLOW_PRIVATE: 'false' })).toBe(false);
  });
});

describe('safety', () => {
  it.each(['0.0.0.0:1', '[::]:1', '192.0.2.1:1', 'example.test:1', '127.1:1'])(
    '%s is refused until remote is allowed',
    (text) => {
      for (const name of ['SALLYPORT_GATEWAY_LISTEN', 'SALLYPORT_CONTROL_LISTEN']) {
        const [problem] = problems({ env: { [name]: text } });
        expect(problem).toContain('SALLYPORT_ALLOW_REMOTE=true');
        expect(problems({ env: { [name]: text, SALLYPORT_ALLOW_REMOTE: 'true' } })).toEqual([]);
      }
    },
  );

  it.each(['127.0.0.1:1', '127.9.9.9:1', '[::1]:1', 'localhost:1'])('%s is loopback', (text) => {
    expect(problems({ env: { SALLYPORT_GATEWAY_LISTEN: text } })).toEqual([]);
  });

  it('one port is not listened on twice, but port 0 may repeat', () => {
    const twice = { SALLYPORT_CONTROL_LISTEN: '127.0.0.1:9', SALLYPORT_GATEWAY_LISTEN: '127.0.0.1:9' };
    expect(problems({ env: twice })).toEqual(['SALLYPORT_GATEWAY_LISTEN: 127.0.0.1:9 is listened on twice']);
    const free = { SALLYPORT_CONTROL_LISTEN: '127.0.0.1:0', SALLYPORT_GATEWAY_LISTEN: '127.0.0.1:0,127.0.0.1:0' };
    expect(problems({ env: free })).toEqual([]);
  });

  it('secrets are not taken from the command line', () => {
    const [problem, ...others] = problems({ argv: [`--bootstrap-key=${KEY}`] });
    expect(problem).toContain('--bootstrap-key-file');
    expect(problem).not.toContain(KEY);
    expect(others).toEqual([]);
  });

  it('a secret of the wrong shape is never quoted, from any source', () => {
    const secret = 'hunter2-hunter2';
    const files = {
      '/srv/a.yaml': `masterKey: ${secret}\nbootstrapKey: [${secret}]\n`,
      '/run/k': secret,
      '/srv/b.yaml': `masterKey: "${secret}`,
    };
    const all = [
      ...problems({ env: { SALLYPORT_MASTER_KEY: secret, SALLYPORT_BOOTSTRAP_KEY: secret } }),
      ...problems({ files, argv: ['--config', 'a.yaml'] }),
      ...problems({ files, argv: ['--config', 'b.yaml'] }),
      ...problems({ files, argv: ['--bootstrap-key-file', '/run/k'] }),
    ];
    expect(all).toHaveLength(6);
    expect(all.join('\n')).not.toContain(secret);
  });

  it('a previous master key is taken by value or by file, and never shown', () => {
    const previous = 'cd'.repeat(32);
    const byValue = config({ env: { SALLYPORT_MASTER_KEY: 'ab'.repeat(32), SALLYPORT_MASTER_KEY_PREVIOUS: previous } });
    expect(byValue.masterKey.previous).toEqual({ value: previous, file: null });
    const byFile = config({ argv: ['--master-key-previous-file', 'old.key'] });
    expect(byFile.masterKey.previous).toEqual({ value: null, file: '/srv/old.key' });
    const shown = loadConfig({
      argv: [],
      env: { SALLYPORT_MASTER_KEY_PREVIOUS: previous },
      cwd: '/srv',
      readFile: () => '',
    });
    expect(JSON.stringify(shown.ok && shown.effective)).not.toContain(previous);
  });

  it('a secret given by value and by file is ambiguous', () => {
    const files = { '/run/k': KEY };
    const env = {
      SALLYPORT_BOOTSTRAP_KEY: KEY,
      SALLYPORT_BOOTSTRAP_KEY_FILE: '/run/k',
      SALLYPORT_MASTER_KEY: 'ab'.repeat(32),
      SALLYPORT_MASTER_KEY_FILE: '/run/m',
      SALLYPORT_MASTER_KEY_PREVIOUS: 'cd'.repeat(32),
      SALLYPORT_MASTER_KEY_PREVIOUS_FILE: '/run/p',
    };
    expect(problems({ files, env })).toHaveLength(3);
  });
});

describe('authorities for https upstreams', () => {
  const AUTHORITY = new X509Certificate(rootCertificates[0]!).toString().trim();
  const SECOND = new X509Certificate(rootCertificates[1]!).toString().trim();
  const given = (text: string) => ({ argv: ['--upstream-ca-file=ca.pem'], files: { '/srv/ca.pem': text } });

  it('are read from a file of PEM, with whatever stands around them', () => {
    const text = `# ours\r\n${AUTHORITY}\n\nand one more\n${SECOND}`;
    expect(config(given(text)).upstreamAuthorities).toEqual([AUTHORITY, SECOND]);
  });

  it.each([
    ['nothing', ''],
    ['a key', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'],
    ['what is called a certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
    ['a good one and a broken one', `${AUTHORITY}\n-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n`],
    ['half of one', AUTHORITY.slice(0, AUTHORITY.length / 2)],
  ])('a file of %s is refused', (_, text) => {
    expect(problems(given(text))).toEqual(['--upstream-ca-file: "ca.pem" does not hold certificates in PEM']);
  });

  it('a file that is not there is refused', () => {
    const argv = ['--upstream-ca-file=none.pem'];
    expect(problems({ argv })).toEqual(['--upstream-ca-file: "none.pem" cannot be read (ENOENT)']);
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
