/** What settings may be: their defaults, the shapes of their values, and what is refused for safety. */
import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { defaultLimits } from '../../src/core/limits.ts';
import { config, KEY, problems } from '../helpers/configuration.ts';

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
      controlHosts: [],
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
