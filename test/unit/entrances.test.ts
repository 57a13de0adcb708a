/** Where clients come in, as the operator writes it: settings, the lists of the file, and files with certificates. */
import { createPrivateKey } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { printConfig } from '../../src/cli/config.ts';
import { settingsHelp } from '../../src/cli/help.ts';
import { loadConfig } from '../../src/config.ts';
import type { ConfiguredEntrance } from '../../src/entrances.ts';
import { FILE_LISTS } from '../../src/settings.ts';
import { loadEntrances } from '../../src/tls-files.ts';
import { makeCertificate } from '../helpers/target.ts';

const KEY_ID = '018f8c20-0000-7000-8000-00000000000a';
const SECRET = 'sp_live_00112233445566778899aabbccddeeff';
const BOUND = `apiKeyId: ${KEY_ID}, selector: default-session-a`;

function load(yaml: string, env: Record<string, string> = {}, argv: string[] = []) {
  return loadConfig({
    argv: ['--config', 'a.yaml', ...argv],
    env,
    cwd: '/srv',
    readFile: () => yaml,
  });
}

function config(yaml: string, env?: Record<string, string>, argv?: string[]) {
  const result = load(yaml, env, argv);
  if (!result.ok) throw new Error(result.problems.join('\n'));
  return result.config;
}

function problems(yaml: string, env?: Record<string, string>, argv?: string[]): readonly string[] {
  const result = load(yaml, env, argv);
  return result.ok ? [] : result.problems;
}

const listeners = (...rows: string[]): string => `listeners:\n${rows.map((row) => `  - {${row}}\n`).join('')}`;
const ranges = (...rows: string[]): string => `clientRanges:\n${rows.map((row) => `  - {${row}}\n`).join('')}`;

describe('settings', () => {
  const tls = {
    SALLYPORT_GATEWAY_TLS_LISTEN: '127.0.0.1:1,[::1]:2',
    SALLYPORT_GATEWAY_TLS_CERT_FILE: 'tls/cert.pem',
    SALLYPORT_GATEWAY_TLS_KEY_FILE: '/run/key.pem',
  };

  it('a TLS listener stands beside the plain one, with absolute paths', () => {
    const plain = { host: '127.0.0.1', port: 3128, tls: null, errorStatus: 'standard', binding: null };
    const files = { certFile: '/srv/tls/cert.pem', keyFile: '/run/key.pem' };
    expect(config('', tls).entrances).toEqual([
      plain,
      { ...plain, port: 1, tls: files },
      { ...plain, host: '::1', port: 2, tls: files },
    ]);
    const twice = ['--gateway-tls-listen=127.0.0.1:1', '--gateway-tls-listen=[::1]:2'];
    expect(config('', { ...tls, SALLYPORT_GATEWAY_TLS_LISTEN: '' }, twice)).toEqual(config('', tls));
    expect(config('gatewayTlsListen: ["127.0.0.1:1", "[::1]:2"]', { ...tls, SALLYPORT_GATEWAY_TLS_LISTEN: '' })).toEqual(config('', tls));
  });

  it('errorStatus is the default of every listener', () => {
    expect(config('', { ...tls, SALLYPORT_ERROR_STATUS: 'extended' }).entrances.map(({ errorStatus }) => errorStatus)).toEqual(['extended', 'extended', 'extended']);
    expect(problems('', { SALLYPORT_ERROR_STATUS: 'loud' })).toEqual(['SALLYPORT_ERROR_STATUS: "loud" is not one of standard, extended']);
  });

  it.each([
    ['a listener without files', ['LISTEN'], ['LISTEN: TLS needs SALLYPORT_GATEWAY_TLS_CERT_FILE', 'LISTEN: TLS needs SALLYPORT_GATEWAY_TLS_KEY_FILE']],
    ['a listener without a key', ['LISTEN', 'CERT_FILE'], ['LISTEN: TLS needs SALLYPORT_GATEWAY_TLS_KEY_FILE']],
    ['a listener without a certificate', ['LISTEN', 'KEY_FILE'], ['LISTEN: TLS needs SALLYPORT_GATEWAY_TLS_CERT_FILE']],
    ['files without a listener', ['CERT_FILE', 'KEY_FILE'], ['CERT_FILE: there is no SALLYPORT_GATEWAY_TLS_LISTEN that it is for', 'KEY_FILE: there is no SALLYPORT_GATEWAY_TLS_LISTEN that it is for']],
  ])('%s', (_, names, expected) => {
    const some = Object.fromEntries(Object.entries(tls).filter(([name]) => names.some((each) => name.endsWith(`TLS_${each}`))));
    expect(problems('', some)).toEqual(expected.map((line) => `SALLYPORT_GATEWAY_TLS_${line}`));
  });

  it('others may reach a TLS listener only where that is meant, and no port is listened on twice', () => {
    const wide = { ...tls, SALLYPORT_GATEWAY_TLS_LISTEN: '0.0.0.0:3129,127.0.0.1:3128' };
    const found = problems('', wide);
    expect(found).toHaveLength(2);
    expect(found[0]).toMatch(/^SALLYPORT_GATEWAY_TLS_LISTEN: other machines can reach 0\.0\.0\.0:3129; .*SALLYPORT_ALLOW_REMOTE/);
    expect(found[1]).toBe('SALLYPORT_GATEWAY_TLS_LISTEN: 127.0.0.1:3128 is listened on twice');
    const allowed = { ...tls, SALLYPORT_GATEWAY_TLS_LISTEN: '0.0.0.0:3129', SALLYPORT_ALLOW_REMOTE: 'true' };
    expect(config('', allowed).upstreamsAllowPrivate).toBe(false);
    expect(config('', tls).upstreamsAllowPrivate).toBe(true);
  });
}); // biome-ignore format: one call a line

describe('the list of listeners', () => {
  it('takes the place of the settings', () => {
    const yaml = listeners(
      'listen: "127.0.0.1:1"',
      `listen: "127.0.0.1:2", ${BOUND}, errorStatus: extended`,
      `listen: "[::1]:3", ${BOUND}, from: ["fd00::/8", 10.0.0.9], tlsCertFile: c.pem, tlsKeyFile: k.pem`,
    );
    const binding = { apiKeyId: KEY_ID, selector: 'default-session-a', from: [] };
    const plain = { host: '127.0.0.1', port: 1, tls: null, errorStatus: 'standard', binding: null };
    expect(config(yaml).entrances).toEqual([
      plain,
      { ...plain, port: 2, errorStatus: 'extended', binding },
      {
        ...plain, host: '::1', port: 3, tls: { certFile: '/srv/c.pem', keyFile: '/srv/k.pem' },
        binding: { ...binding, from: ['fd00::/8', '10.0.0.9'] },
      },
    ]);
    const others = config(yaml, { SALLYPORT_ERROR_STATUS: 'extended' }).entrances.map(({ errorStatus }) => errorStatus);
    expect(others).toEqual(['extended', 'extended', 'extended']);
  }); // biome-ignore format: one table

  it('an id is taken as logs have it and as JSON has it, a network in any spelling', () => {
    const { entrances } = config(
      listeners(
        'listen: "127.0.0.1:1", apiKeyId: AY+MIAAAcACAAAAAAAAACg==, selector: "", from: "::ffff:10.0.0.0/104"',
        `listen: "127.0.0.1:2", apiKeyId: ${KEY_ID.toUpperCase()}, selector: default, from: FD00:0::/8`,
      ),
    );
    expect(entrances.map(({ binding }) => binding)).toEqual([
      { apiKeyId: KEY_ID, selector: '', from: ['10.0.0.0/8'] },
      { apiKeyId: KEY_ID, selector: 'default', from: ['fd00::/8'] },
    ]);
  });

  it.each<[string, string, string]>([
    ['without an address', BOUND, 'a.yaml:2: needs listen'],
    ['that is empty', '', 'a.yaml:2: needs listen'],
    ['with a bad address', 'listen: "1"', 'a.yaml:2: "1" is not an address and port, such as 127.0.0.1:7070 or [::1]:7070'],
    ['with an unknown name', 'listen: "127.0.0.1:1", selecter: a', 'a.yaml:2: listeners have no "selecter"; did you mean selector?'],
    ['with a name without a value', 'listen: "127.0.0.1:1", selector:', 'a.yaml:2: selector needs one plain value'],
    ['with a name that is a list', 'listen: ["127.0.0.1:1"]', 'a.yaml:2: listen needs one plain value'],
    ['with a selector and no key', 'listen: "127.0.0.1:1", selector: a', 'a.yaml:2: selector needs apiKeyId'],
    ['with a key and no selector', `listen: "127.0.0.1:1", apiKeyId: ${KEY_ID}`, 'a.yaml:2: apiKeyId needs selector'],
    ['with networks and no key', 'listen: "127.0.0.1:1", from: 10.0.0.0/8', 'a.yaml:2: from needs apiKeyId and selector'],
    ['with a certificate and no key for it', 'listen: "127.0.0.1:1", tlsCertFile: c.pem', 'a.yaml:2: tlsCertFile needs tlsKeyFile'],
    ['with a key for no certificate', 'listen: "127.0.0.1:1", tlsKeyFile: k.pem', 'a.yaml:2: tlsKeyFile needs tlsCertFile'],
    ['with another errorStatus', 'listen: "127.0.0.1:1", errorStatus: x', 'a.yaml:2: "x" is not one of standard, extended'],
  ])('one %s', (_, row, problem) => {
    expect(problems(listeners(row))).toContain(problem);
  });

  it.each(['10.0.0.1/8', '10.0.0.0/33', 'a.test', ':80', '10.0.0.0/8:80', '', '10.0.0.0/8,', '10.1'])('%j is no network', (text) => {
    const [problem, ...others] = problems(listeners(`listen: "127.0.0.1:1", ${BOUND}, from: ["${text}"]`));
    expect(problem).toMatch(/^a\.yaml:2: ".*" is not a list of at most 256 addresses and networks/);
    expect(others).toEqual([]);
  });

  it.each(['0.0.0.0:1', '[::]:1', '192.0.2.1:1', 'gateway.test:1'])('%s is no open proxy: who it is for must be said', (address) => {
    const env = { SALLYPORT_ALLOW_REMOTE: 'true' };
    const row = `listen: "${address}", ${BOUND}`;
    expect(problems(listeners(row), env)).toEqual([
      `a.yaml:2: other machines can reach ${address}, and it asks for no credentials: say in "from" whom it is for`,
    ]);
    expect(problems(listeners(`${row}, from: 10.0.0.0/8`), env)).toEqual([]);
    expect(problems(listeners(`${row}, from: 10.0.0.0/8`))).toHaveLength(1);
    expect(problems(listeners(`listen: "${address}"`), env)).toEqual([]);
  });

  it('excludes the settings that it takes the place of', () => {
    const env = { SALLYPORT_GATEWAY_LISTEN: '127.0.0.1:1' };
    const yaml = `${listeners('listen: "127.0.0.1:2"')}gatewayTlsListen: 127.0.0.1:3\n`;
    expect(problems(yaml, env)).toEqual([
      'SALLYPORT_GATEWAY_LISTEN: gatewayListen and listeners exclude each other',
      'a.yaml:3: gatewayTlsListen and listeners exclude each other',
    ]);
  });

  it('listens on no port twice', () => {
    const yaml = `controlListen: 127.0.0.1:2\n${listeners('listen: "127.0.0.1:1"', 'listen: "127.0.0.1:1"', 'listen: "127.0.0.1:2"', 'listen: "127.0.0.1:0"', 'listen: "127.0.0.1:0"')}`;
    expect(problems(yaml)).toEqual(['a.yaml:4: 127.0.0.1:1 is listened on twice', 'a.yaml:5: 127.0.0.1:2 is listened on twice']);
  });

  it.each(['listeners: 127.0.0.1:1\n', 'listeners: []\n', 'listeners: {listen: "127.0.0.1:1"}\n', 'listeners:\n', 'clientRanges: [10.0.0.0/8]\n'])('%j is no list of mappings', (yaml) => {
    expect(problems(yaml)).toEqual([`a.yaml:1: ${yaml.split(':')[0]} needs a list of mappings`]);
  });

  it('a doubled name is bad YAML', () => {
    expect(problems('listeners:\n  - listen: 127.0.0.1:1\n    listen: 127.0.0.1:2\n')).toEqual(['a.yaml:3: not valid YAML (duplicate key)']);
  });
}); // biome-ignore format: one call a line

describe('the list of client ranges', () => {
  it('is read in its one spelling', () => {
    expect(config(ranges(`range: 10.1.0.0/16, ${BOUND}`, `range: "FD00::/8", ${BOUND}`)).clientRanges).toEqual(
      ['10.1.0.0/16', 'fd00::/8'].map((range) => ({ range, apiKeyId: KEY_ID, selector: 'default-session-a' })),
    );
  });

  it('tells all that is wrong, each where it is', () => {
    const yaml = ranges(
      `range: 10.0.0.1/8, ${BOUND}`,
      'range: 10.0.0.0/8',
      `range: 10.0.0.0/8, ${BOUND}`,
      `range: "::ffff:10.0.0.0/104", ${BOUND}`,
      `range: 10.1.0.0/16, apiKeyId: 17, selector: a`,
      `range: 10.2.0.0/16, apiKeyId: ${KEY_ID}, selector: default-colour-red-session-`,
      `range: 10.3.0.0/16, ${BOUND}, from: 10.0.0.0/8`,
    );
    const found = problems(yaml, {}, ['--rpc-rate=0']);
    const expected = [
      '--rpc-rate: "0"',
      'a.yaml:2: "10.0.0.1/8"',
      'a.yaml:3: needs apiKeyId',
      'a.yaml:3: needs selector',
      'a.yaml:5: the range 10.0.0.0/8 is given twice',
      'a.yaml:6: this',
      'a.yaml:7: this',
      'a.yaml:8: clientRanges have no "from"',
    ];
    expect(found.map((line) => line.split(' is not ')[0]).toSorted()).toEqual(expected);
  });
});

describe('what is shown', () => {
  it('is each mapping on a line, with where it stands', () => {
    const yaml = `${listeners('listen: "127.0.0.1:1"', `listen: "127.0.0.1:2", ${BOUND}, from: 10.0.0.0/8, tlsCertFile: c, tlsKeyFile: k`)}${ranges(`range: 10.1.0.0/16, ${BOUND}`)}`;
    const result = load(yaml);
    const rows = result.ok ? result.effective : [];
    expect(rows.slice(-3)).toEqual([
      { name: 'listeners', value: '127.0.0.1:1 errorStatus=standard', origin: 'a.yaml:2' },
      {
        name: 'listeners',
        value: `127.0.0.1:2 tlsCertFile=/srv/c tlsKeyFile=/srv/k apiKeyId=${KEY_ID} selector=default-session-a from=10.0.0.0/8 errorStatus=standard`,
        origin: 'a.yaml:3',
      },
      { name: 'clientRanges', value: `10.1.0.0/16 apiKeyId=${KEY_ID} selector=default-session-a`, origin: 'a.yaml:5' },
    ]);
    expect(rows.find(({ name }) => name === 'SALLYPORT_GATEWAY_LISTEN')).toMatchObject({ value: '(see listeners)' });
    expect(printConfig(rows)).toMatch(/^clientRanges +10\.1\.0\.0\/16 .* a\.yaml:5$/m);
  });

  it('is never a key that was put where its id belongs', () => {
    const rows = [`range: 10.0.0.0/8, apiKeyId: ${SECRET}, selector: "default:${SECRET}"`];
    const found = problems(
      ranges(...rows) + listeners(`listen: "127.0.0.1:1", apiKeyId: ${SECRET}, selector: "a:${SECRET}"`),
    );
    expect(found).toHaveLength(4);
    expect(found.join('\n')).not.toContain(SECRET);
  });

  it('help tells of every list and every field', () => {
    for (const [list, { fields }] of Object.entries(FILE_LISTS)) {
      expect(settingsHelp()).toContain(`\n  ${list}\n`);
      for (const field of Object.keys(fields)) expect(settingsHelp()).toContain(`\n      ${field}: `);
    }
  });
});

describe('certificates and keys', () => {
  let directory: string;
  let ours: { cert: string; key: string };
  let entrance: ConfiguredEntrance;

  function file(name: string, text: string, mode = 0o600): string {
    const path = join(directory, name);
    writeFileSync(path, text, { mode });
    chmodSync(path, mode);
    return path;
  }

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'sallyport-tls-'));
    ours = await makeCertificate();
    entrance = {
      host: '127.0.0.1',
      port: 0,
      tls: { certFile: file('cert.pem', ours.cert, 0o644), keyFile: file('key.pem', ours.key) },
      errorStatus: 'standard',
      binding: null,
    };
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  const withFiles = (files: Partial<NonNullable<ConfiguredEntrance['tls']>>): ConfiguredEntrance => ({
    ...entrance,
    tls: { ...entrance.tls!, ...files },
  });

  it('are read, and nothing is for listeners without', () => {
    expect(loadEntrances([entrance, { ...entrance, tls: null }])).toEqual([
      { ...entrance, tls: ours },
      { ...entrance, tls: null },
    ]);
  });

  it('are refused with a sentence each, all at once and none twice', async () => {
    const other = await makeCertificate();
    const keyFile = file('other.pem', other.key);
    const exposed = file('exposed.pem', ours.key, 0o640);
    const nothing = file('nothing.pem', 'nothing');
    const passphrase = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' } as const;
    const sealed = file('sealed.pem', createPrivateKey(ours.key).export(passphrase) as string);
    const absent = join(directory, 'absent.pem');
    const tell = (...entrances: ConfiguredEntrance[]) => () => loadEntrances(entrances);
    expect(tell(withFiles({ keyFile }))).toThrow(`${keyFile} holds the key of another certificate than ${entrance.tls!.certFile}`);
    expect(tell(withFiles({ keyFile: exposed }))).toThrow(`the key file ${exposed} has mode 0640: make it 0600 (chmod 600)`);
    expect(tell(withFiles({ keyFile: nothing }))).toThrow(`${nothing} holds no private key in PEM without a passphrase`);
    expect(tell(withFiles({ keyFile: sealed }))).toThrow(`${sealed} holds no private key in PEM without a passphrase`);
    expect(tell(withFiles({ certFile: nothing }))).toThrow(`${nothing} holds no certificate in PEM`);
    const bad = withFiles({ certFile: absent, keyFile: exposed });
    expect(tell(entrance, bad, bad)).toThrow(
      new Error(`${absent} cannot be read (ENOENT); the key file ${exposed} has mode 0640: make it 0600 (chmod 600)`),
    );
  }); // biome-ignore format: one call a line
});
