/** The command line against a whole server: what each command does, says, and ends with. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildProgram } from '../../src/cli/program.ts';
import { commandLine } from '../helpers/command-line.ts';
import { Product } from '../helpers/product.ts';

const product = new Product({ SALLYPORT_ACCESS_LOG: 'false' });
let folder: string;
let run: ReturnType<typeof commandLine>;

beforeAll(async () => {
  await product.start();
  folder = await mkdtemp(join(tmpdir(), 'sallyport-commands-'));
  run = commandLine({ SALLYPORT_DATA_DIR: product.dataDir });
});
afterAll(async () => {
  await product.destroy();
  await rm(folder, { recursive: true });
});

/** A file that holds a text; its path. */
async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

/** Runs a command that must end with 0. */
async function ok(...argv: string[]) {
  const ran = await run(...argv);
  expect([argv.join(' '), ran.code, ran.stderr]).toEqual([argv.join(' '), 0, '']);
  return ran;
}

describe('help', () => {
  const leaves = (command: Command): Command[] =>
    command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
  const pathOf = (command: Command): string[] =>
    command.parent === null ? [] : [...pathOf(command.parent), command.name()];

  test('has an example for each command, which names that command', async () => {
    const program = buildProgram({} as never);
    const own = ['serve', 'config', 'restore', 'version'];
    const paths = leaves(program)
      .map(pathOf)
      .filter(([first]) => !own.includes(first!));
    expect(paths.length).toBeGreaterThan(35);
    for (const path of paths) {
      const { stdout } = await ok(...path, '--help');
      expect(stdout).toContain('Example:');
      expect(stdout.split('Example:')[1]).toContain(`sallyport ${path.join(' ')}`);
    }
  });

  test('has the flags of a command before those that all have', async () => {
    const { stdout } = await ok('session', 'import', '--help');
    expect(stdout).toMatch(/^Options:$.*--dry-run.*^Server:$.*--json/ms);
  });

  test('lists every command in its group', async () => {
    const { stdout } = await ok('help');
    for (const group of ['The process:', 'What there is:', 'What goes on:']) expect(stdout).toContain(group);
    expect((await ok('--help')).stdout).toBe(stdout);
  });

  test.each(['bash', 'zsh', 'fish'])('is completed by %s', async (shell) => {
    const { stdout } = await ok('completion', shell);
    expect(stdout).toContain('sallyport');
    for (const word of ['session', 'import', '--dry-run']) expect(stdout).toContain(word);
  });
});

describe('a pool', () => {
  test('is made, shown, changed without what was not named, disabled and enabled', async () => {
    const made = await ok(
      'pool',
      'create',
      'shops',
      '--selection',
      'least-connections',
      '--sticky-idle',
      '30m',
      '--quiet',
    );
    expect(made.stdout).toMatch(/^pool shops is there: [0-9a-f-]{36}$/);
    const { json } = await ok('pool', 'get', 'shops', '--json');
    expect(json).toMatchObject({
      selection: 'SELECTION_LEAST_CONNECTIONS',
      stickiness: { idleTtl: '1800s' },
      quiet: true,
    });

    await ok('pool', 'update', 'shops', '--sticky', 'strict', '--deny', ':25,example.com', '--no-quiet');
    const { json: after } = await ok('pool', 'get', 'shops', '--json');
    expect(after).toMatchObject({
      stickiness: { mode: 'STICKINESS_MODE_STRICT', idleTtl: '1800s' },
      destinations: { deny: [':25', 'example.com'] },
    });
    expect(after.quiet).toBeUndefined();

    expect((await ok('pool', 'disable', 'shops')).stdout).toBe('pool shops is disabled');
    expect((await ok('pool', 'list')).stdout).toMatch(
      /^shops +no +least-connections +strict +30m +3 +cut +[0-9a-f-]{36}$/m,
    );
    await ok('pool', 'enable', 'shops');
  });

  test('is deleted where somebody says so, and not before', async () => {
    await ok('pool', 'create', 'gone');
    const refused = await run('pool', 'delete', 'gone');
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') });
    const asked: string[] = [];
    const answering = (answer: string) =>
      commandLine(
        { SALLYPORT_DATA_DIR: product.dataDir },
        { ask: async (question) => (asked.push(question) > 0 ? answer : '') },
      );
    expect(await answering('')('pool', 'delete', 'gone')).toMatchObject({ code: 1, stderr: 'nothing was changed' });
    expect(await answering('y')('pool', 'delete', 'gone')).toMatchObject({ code: 0, stdout: 'pool gone is gone' });
    expect(asked).toEqual(new Array(2).fill('Delete pool gone, with all its sessions and assignments? [y/N] '));
    await ok('pool', 'create', 'gone');
    const leaving = commandLine(
      { SALLYPORT_DATA_DIR: product.dataDir },
      { ask: () => Promise.reject(new DOMException('left by Ctrl-C', 'AbortError')) },
    );
    expect(await leaving('pool', 'delete', 'gone')).toMatchObject({ code: 130, stderr: 'nothing was changed' });
    await ok('pool', 'delete', 'gone', '-y');
  });

  test('that is called wrongly is told from those that there are', async () => {
    const { code, stderr } = await run('pool', 'get', 'shop');
    expect(code).toBe(1);
    expect(stderr).toBe('no pool is called shop; there are:\n  default\n  local\n  shops');
  });
});

describe('a session', () => {
  test('is made of a URL, with a password of a file, changed and revoked', async () => {
    const made = await ok(
      'session',
      'create',
      'exit-1',
      'http://anna:s3cret@203.0.113.10:8080',
      '--labels',
      'country=de,isp=x',
    );
    expect(made.stdout).toMatch(/^session exit-1 serves pool default from now on: /);
    const { json } = await ok('session', 'get', 'exit-1', '--json');
    expect(json).toMatchObject({ host: '203.0.113.10', username: 'anna', labels: { country: 'de', isp: 'x' } });

    const refused = await run('session', 'update', 'exit-1', '--port', '8081');
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('password') });
    const password = await file('password.txt', 'another\n');
    expect((await ok('session', 'update', 'exit-1', '--port', '8081', '--password-file', password)).stdout).toMatch(
      /^port +8081$/m,
    );

    await ok('session', 'disable', 'exit-1');
    expect((await ok('session', 'list', '--pool', 'default')).stdout).toMatch(
      /^exit-1 +http:\/\/anna@203\.0\.113\.10:8081 +disabled /m,
    );
    expect((await ok('session', 'delete', 'exit-1', '--yes')).stdout).toContain(
      'no request is served by it from now on',
    );
    expect(await run('session', 'get', 'exit-1')).toMatchObject({ code: 1, stderr: 'no session has the token exit-1' });
  });

  test('needs what can be meant by an upstream, and says what is wrong with it', async () => {
    expect(await run('session', 'create', 'x', '203.0.113.10')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no port'),
    });
    const { code, stderr } = await run('session', 'create', 'x', 'http://203.0.113.10:80', '--labels', 'Country=de');
    expect([code, stderr]).toEqual([1, expect.stringContaining('--labels')]);
    expect(await run('session', 'create', 'x', '--port', 'http')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('whole number'),
    });
  });
});

describe('an import', () => {
  const lines = (count: number) =>
    Array.from({ length: count }, (_, n) => `10.1.${n >> 8}.${n & 255}:8080:user-${n}:p`).join('\n');

  test('adds what is new, tells of each bad line, and ends with 1 for them', async () => {
    await ok('pool', 'create', 'imported');
    const list = await file(
      'list.txt',
      `# ours\n${lines(3_000)}\nnonsense\n10.1.0.0:8080:user-0:p\nhttp://a:b@999.0.0.1:80\n`,
    );
    const dry = await run('session', 'import', list, '--pool', 'imported', '--dry-run');
    expect(dry.stdout).toBe('3,001 sessions would be added to pool imported, 1 twice in the list');
    expect((await ok('session', 'list', '--pool', 'imported')).stdout).toContain('There is no session here');

    const { code, stdout, stderr } = await run(
      'session',
      'import',
      list,
      '--pool',
      'imported',
      '--labels',
      'batch=one',
    );
    expect([code, stdout]).toEqual([1, '3,000 sessions added to pool imported, 1 twice in the list']);
    expect(stderr.split('\n')).toEqual([
      'line 3002: there is no port: host:port is the least',
      expect.stringMatching(/^line 3004: its host /),
      '2 lines are no sessions',
    ]);
    const again = await run('session', 'import', list, '--pool', 'imported');
    expect(again.stdout).toBe('0 sessions added to pool imported, 3,000 there already, 1 twice in the list');
    const { json } = await run('session', 'import', list, '--pool', 'imported', '--json');
    expect(json).toMatchObject({
      created: 0,
      existing: 3_000,
      refused: 2,
      lines: [{ number: 3002 }, { number: 3004 }],
    });
  });

  test('of a CSV tells of the columns that it left out', async () => {
    const csv = await file('list.csv', 'ip,port,user,password,country,speed\n203.0.113.20,80,anna,"a,b",US,9\n');
    const { stdout } = await ok('session', 'import', csv, '--pool', 'shops');
    expect(stdout).toBe('1 session added to pool shops\nColumns that were left out: speed');
    const { json } = await ok('session', 'get', 'anna@203.0.113.20:80', '--json');
    expect(json).toMatchObject({ labels: { country: 'us' }, username: 'anna' });
  });

  test('comes out again without its passwords, and not with them', async () => {
    expect(await run('session', 'export', '--pool', 'imported')).toMatchObject({ code: 2 });
    const { stdout } = await ok('session', 'export', '--pool', 'imported', '--redacted');
    const rows = stdout.split('\n');
    expect(rows).toHaveLength(3_001);
    expect(rows[0]).toBe('token,scheme,host,port,username,enabled,labels');
    expect(rows[1]).toBe('user-0@10.1.0.0:8080,http,10.1.0.0,8080,user-0,true,batch=one');
  });

  test('of a file that is not there is wrong usage', async () => {
    expect(await run('session', 'import', join(folder, 'none.txt'))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('ENOENT'),
    });
    expect(await run('session', 'import', folder)).toMatchObject({
      code: 2,
      stderr: `${folder} cannot be read (EISDIR)`,
    });
  });
});

test('a provider is connected, changed, disabled and deleted', async () => {
  const credentials = await file('account.txt', 'anna:s3cret\n');
  const gateway = [
    '--host',
    '203.0.113.9',
    '--port',
    '7000',
    '--scheme',
    'http',
    '--username-template',
    '{username}-s-{token}',
  ];
  await ok(
    'provider',
    'connect',
    'gateway',
    '--name',
    'vendor',
    ...gateway,
    '--credentials-file',
    credentials,
    '--mint-tokens',
  );
  const { json } = await ok('provider', 'get', 'vendor', '--json');
  expect(json).toMatchObject({ type: 'PROVIDER_TYPE_GATEWAY', endpoint: { port: 7000 }, mintTokens: true });
  expect(JSON.stringify(json)).not.toContain('s3cret');
  await ok('provider', 'update', 'vendor', '--no-mint-tokens');
  await ok('provider', 'disable', 'vendor');
  expect((await ok('provider', 'list')).stdout).toMatch(/^vendor +gateway +no /m);
  expect(await run('provider', 'refresh', 'vendor')).toMatchObject({ code: 1 });
  await ok('provider', 'delete', 'vendor', '--yes');
  expect(await run('provider', 'connect', 'nobody')).toMatchObject({ code: 2 });
});

test('a provider that has the name which others have as their kind is meant by it', async () => {
  await ok('provider', 'connect', 'static', '--name', 'a second list');
  const { json } = await ok('provider', 'get', 'static', '--json');
  expect(json.name).toBe('static');
  expect((await ok('provider', 'get', 'a second list', '--json')).json.type).toBe('PROVIDER_TYPE_STATIC');
  expect(await run('session', 'create', 'exit-9', '203.0.113.9:80')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('several providers are meant by static: name one with --provider'),
  });
  await ok('provider', 'delete', 'a second list', '--yes');
});

test('a key is shown once, does what it may, and is revoked', async () => {
  const { stdout } = await ok('key', 'create', 'crawler', '--policies', 'gateway', '--expires', '30d');
  const rawKey = /sp_live_\w+/.exec(stdout)![0];
  const { stdout: listed } = await ok('key', 'list');
  expect(listed).toMatch(/^crawler +sp_live_\w+… +gateway /m);
  expect(listed).not.toContain(rawKey);
  const theirs = commandLine({ SALLYPORT_URL: product.controlUrl, SALLYPORT_API_KEY: rawKey });
  expect(await theirs('pool', 'list')).toMatchObject({ code: 1, stderr: expect.stringContaining('key list') });
  expect(await run('key', 'get', 'nobody')).toMatchObject({
    stderr: expect.stringMatching(/^no key is .*^ {2}crawler /ms),
  });
  await ok('key', 'delete', 'crawler', '--yes');
  expect(await theirs('pool', 'list')).toMatchObject({ code: 1, stderr: expect.stringContaining('SALLYPORT_API_KEY') });
  expect(await run('key', 'create', 'x')).toMatchObject({ code: 2, stderr: expect.stringContaining('--policies') });
});

test('secrets are sealed anew, and the command waits for the end', async () => {
  expect((await ok('key', 'rotate')).stdout).toBe('secrets are sealed with key 2 now');
  expect((await ok('workspace', 'get', '--json')).json.keyRotation).toBeUndefined();
  expect((await ok('key', 'rotate', '--master')).stdout).toContain('a new master key wraps the keys of 1 workspaces');
});

test('a workspace of its own has pools of its own', async () => {
  const { stdout } = await ok('workspace', 'create', 'others', '--description', 'theirs');
  expect(stdout).toContain('Next: sallyport key create');
  expect((await ok('workspace', 'list')).stdout).toMatch(/^others +theirs /m);
  expect((await ok('pool', 'list', '--workspace', 'others', '--json')).json).toHaveLength(1);
  expect(await run('pool', 'list', '--workspace', 'nobody')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('others'),
  });
  const anywhere = commandLine({ SALLYPORT_URL: product.controlUrl, SALLYPORT_API_KEY: product.bootstrap.apiKey });
  expect(await anywhere('pool', 'list')).toMatchObject({ code: 2, stderr: expect.stringContaining('--workspace') });
  await ok('workspace', 'update', 'others', '--name', 'former');
  await ok('workspace', 'delete', 'former', '--yes');
});

test('an account is bound, pinned, moved and let go', async () => {
  await ok('session', 'create', 'seat-1', 'http://203.0.113.31:80', '--pool', 'shops');
  await ok('assignment', 'create', 'anna', '--pool', 'shops', '--session', 'seat-1', '--pin');
  expect((await ok('assignment', 'list', '--pool', 'shops')).stdout).toMatch(/^anna +[0-9a-f-]{36} +yes /m);
  expect(await run('assignment', 'rebind', 'anna')).toMatchObject({ code: 1 });
  expect((await ok('assignment', 'update', 'anna', '--no-pin', '--json')).json.pinned).toBeUndefined();
  await ok('assignment', 'rebind', 'anna');
  await ok('assignment', 'delete', 'anna', '--yes');
  expect(await run('assignment', 'get', 'anna')).toMatchObject({ code: 1 });
});
