/**
 * A TypeScript project of someone else: the packed package in its `node_modules`, the
 * strictest compiler settings, every method called through `sallyport/client`.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Accounts } from '../../control/gen/accounts/v1/accounts_pb.ts';
import { Proxies } from '../../control/gen/proxies/v1/proxies_pb.ts';
import { API_EXAMPLES, BOOTSTRAP_VARIABLES, VENDOR_ACCOUNT } from '../../scripts/api-examples.ts';
import { readPage } from '../helpers/pages.ts';
import { Product } from '../helpers/product.ts';
import { ProxiedClient } from '../helpers/proxied.ts';
import { startTarget } from '../helpers/target.ts';
import { startWebshareStandIn } from '../helpers/webshare-stand-in.ts';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');
const webshare = await startWebshareStandIn();
webshare.apiKey = VENDOR_ACCOUNT.apiKey;
const target = await startTarget();
const product = new Product({ SALLYPORT_WEBSHARE_API_URL: webshare.url });
let project: string;

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'sallyport-project-'));
  await product.start();
  await installPackage();
  await writeFile(join(project, 'package.json'), '{ "type": "module" }\n');
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions: STRICTEST, include: ['*.ts'] }));
  await writeFile(join(project, 'every-method.ts'), everyMethod());
  await writeFile(join(project, 'by-hand.ts'), BY_HAND);
  await writeFile(join(project, 'page.ts'), shownProgram());
}, 120_000);
afterAll(async () => {
  await product.destroy();
  await webshare.close();
  await target.close();
  await rm(project, { recursive: true });
});

const STRICTEST = {
  ...{ strict: true, noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true, verbatimModuleSyntax: true },
  ...{ target: 'es2024', module: 'nodenext', types: ['node'], skipLibCheck: false },
};

/** The program that `docs/api.md` shows: compiled with the others. */
function shownProgram(): string {
  const { fences } = readPage('docs/api.md');
  return fences.find(({ language }) => language === 'ts')!.text;
}

/** As `npm install` of the tarball would leave it; what it depends on is that of this checkout. */
async function installPackage(): Promise<void> {
  const npm = ['--prefix', root, '--cache', join(project, '.npm')];
  await run('npm', ['run', 'build', ...npm], { cwd: root });
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', project, ...npm], {
    cwd: root,
  });
  const { filename } = Object.values(JSON.parse(stdout) as Record<string, { filename: string }>)[0]!;
  const modules = join(project, 'node_modules');
  await mkdir(join(modules, 'sallyport'), { recursive: true });
  await run('tar', ['-xzf', join(project, filename), '-C', join(modules, 'sallyport'), '--strip-components=1']);
  for (const scope of ['@bufbuild', '@connectrpc', '@types']) {
    await symlink(join(root, 'node_modules', scope), join(modules, scope));
  }
  for (const dependency of ['undici-types']) {
    await symlink(join(root, 'node_modules', dependency), join(modules, dependency));
  }
}

/** A program that calls every method with a typed body and prints the path of each that answered. */
function everyMethod(): string {
  const calls = [Accounts, Proxies].flatMap((service) =>
    service.methods.map((method) => {
      const path = `${service.typeName}/${method.name}`;
      const { body, sets = {} } = API_EXAMPLES.get(path)!;
      const literal = JSON.stringify(body).replaceAll(/"\$([A-Z_]+)"/g, "variable('$1')");
      const name = `${service === Accounts ? 'accounts' : 'proxies'}.${method.localName}`;
      const request = `fromJson(client.${method.input.name}Schema, body)`;
      const call =
        method.methodKind === 'unary'
          ? `const answer: client.${method.output.name} = await sallyport.${name}(${request});`
          : `const answer = await firstOf(sallyport.${name}(${request}, { timeoutMs: 5_000 }));`;
      const json = `const json: client.ResponseJson['${path}'] = toJson(client.${method.output.name}Schema, answer);`;
      const kept = Object.entries(sets).map(([variable, at]) => `keep('${variable}', json, '${at}');`);
      return [
        '{',
        `  const body: client.RequestJson['${path}'] = ${literal};`,
        ...[call, json, ...kept, 'void json;', `console.log('${path}');`].map((line) => `  ${line}`),
        '}',
      ].join('\n');
    }),
  );
  return `${PRELUDE}\n${calls.join('\n')}\nprocess.exit(0);\n`;
}

const PRELUDE = `import { fromJson, toJson } from '@bufbuild/protobuf';
import * as client from 'sallyport/client';

const variables = new Map<string, string>(Object.entries(process.env as Record<string, string>));
function variable(name: string): string {
  const value = variables.get(name);
  if (value === undefined) throw new Error(name + ' is not set');
  return value;
}
function keep(name: string, json: unknown, path: string): void {
  let at = json;
  for (const step of path.split('.')) at = (at as Record<string, unknown>)[step];
  if (typeof at !== 'string') throw new Error('no text at ' + path);
  variables.set(name, at);
}
async function firstOf<T>(stream: AsyncIterable<T>): Promise<T> {
  for await (const message of stream) return message;
  throw new Error('the stream was empty');
}
const sallyport = client.createSallyport({ url: variable('SALLYPORT_URL'), apiKey: variable('SALLYPORT_API_KEY') });
`;

const BY_HAND = `import { Code, ConnectError, createSallyport, idOf, Selection, uuidOf } from 'sallyport/client';

const { accounts, proxies } = createSallyport({ url: process.env.SALLYPORT_URL!, apiKey: process.env.SALLYPORT_API_KEY! });
const { workspace } = await accounts.createWorkspace({ name: 'by hand' });
const workspaceId = workspace!.id;
const { pool } = await proxies.createPool({ workspaceId, name: 'fast', selection: Selection.FASTEST });
console.log(pool?.selection === Selection.FASTEST, pool?.version === 1n);
console.log(Buffer.compare(idOf(uuidOf(workspaceId)), workspaceId) === 0);
const refused: unknown = await proxies.getPool({ workspaceId, poolId: workspaceId }).catch((error: unknown) => error);
console.log(refused instanceof ConnectError && refused.code === Code.NotFound);
// @ts-expect-error: a field that the message does not have
await proxies.listPools({ workspaceId, poolid: workspaceId }).catch(() => undefined);
// @ts-expect-error: an id is bytes
await proxies.listPools({ workspaceId: 'text' }).catch(() => undefined);
`;

const environment = () => ({
  PATH: process.env.PATH,
  SALLYPORT_URL: product.controlUrl,
  SALLYPORT_API_KEY: product.bootstrap.apiKey,
  ...Object.fromEntries(Object.entries(BOOTSTRAP_VARIABLES).map(([name, field]) => [name, product.bootstrap[field]])),
});

test('a strict project compiles', { timeout: 120_000 }, async () => {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const { stdout } = await run(process.execPath, [tsc, '-p', project], { cwd: project }).catch((error) => error);
  expect(stdout).toBe('');
});

test('and calls every method', { timeout: 60_000 }, async () => {
  const client = new ProxiedClient(product.gatewayPort);
  const request = () => client.get(`${target.url}/`, product.authorization('local'));
  const { requestId: REQUEST_ID } = await request();
  // Something for the tail to see.
  const traffic = setInterval(request, 200);
  const child = await run(process.execPath, ['every-method.js'], {
    cwd: project,
    env: { ...environment(), REQUEST_ID },
  }).finally(() => clearInterval(traffic));
  client.close();
  expect(child.stderr).toBe('');
  expect(child.stdout.trim().split('\n')).toEqual([...API_EXAMPLES.keys()]);
});

test('as one would write it by hand', async () => {
  const { stdout } = await run(process.execPath, ['by-hand.js'], { cwd: project, env: environment() });
  expect(stdout).toBe('true true\ntrue\ntrue\n');
});
