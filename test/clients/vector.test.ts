/**
 * The reference vector of CreateSession through real curl, byte for byte, with
 * every error that it documents; then the same method over gRPC and gRPC-Web.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import vector from '../fixtures/create-session.json' with { type: 'json' };
import { bufProgram } from '../helpers/buf.ts';
import { curl, hasCurl } from '../helpers/curl.ts';
import { Product } from '../helpers/product.ts';
import { SecretScan } from '../helpers/secret-scan.ts';
import { seedVector, type VectorIds } from '../helpers/seed-vector.ts';

type Code = keyof typeof vector.errors;

const product = new Product();
/** A workspace whose encryption key is missing: whatever must be sealed there fails inside. */
const keyless: VectorIds = {
  workspaceId: Buffer.alloc(16, 0x7e).toString('base64'),
  poolId: Buffer.alloc(16, 0x7d).toString('base64'),
  providerId: Buffer.alloc(16, 0x7c).toString('base64'),
};
/** Everything that curl got back in this file: heads and bodies. */
const answers: string[] = [];

beforeAll(async () => {
  await product.start();
  await product.stop();
  await seedVector(product.dataDir, vector.request);
  await seedVector(product.dataDir, keyless, false);
  await product.start();
});
afterAll(() => product.destroy());

interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** `curl -i -X POST` with these octets; `key` null sends no Authorization. */
async function post(body: string, key: string | null, url = product.controlUrl): Promise<Answer> {
  const authorization = key === null ? [] : ['-H', `Authorization: Bearer ${key}`];
  const { stdout, stderr } = await curl(
    ...['-i', '-X', 'POST', `${url}${vector.path}`],
    ...['-H', 'Content-Type: application/json', ...authorization, '--data-binary', body],
  );
  expect(stderr).toBe('');
  answers.push(stdout);
  const cut = stdout.indexOf('\r\n\r\n');
  const head = stdout.slice(0, cut);
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]), head, body: stdout.slice(cut + 4) };
}

const request = (changes: object = {}): string => JSON.stringify({ ...vector.request, ...changes });

describe.skipIf(!hasCurl)(hasCurl ? 'curl' : 'curl is not installed: skipped', () => {
  test('gets the response of the vector: fields, their order, types and values, but for what the service makes', async () => {
    const { status, head, body } = await post(request(), product.bootstrap.apiKey);
    expect(status).toBe(200);
    expect(head).toMatch(/^content-type: application\/json\r?$/im);
    const { id, createdAt, updatedAt } = JSON.parse(body).session;
    // Stringified again with our three values in the places of the vector's: any other difference is one of bytes.
    expect(body).toBe(JSON.stringify({ session: { ...vector.response.session, id, createdAt, updatedAt } }));
    const bytes = Buffer.from(id, 'base64');
    expect([bytes.length, bytes[6]! >> 4, bytes.toString('base64')]).toEqual([16, 7, id]);
    expect(createdAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/);
    expect(updatedAt).toBe(createdAt);
    expect(Math.abs(Date.parse(createdAt) - Date.now())).toBeLessThan(60_000);
  });

  const provoke: Record<Code, () => Promise<Answer>> = {
    // The session of the vector is there already, under the same token.
    failed_precondition: () => post(request(), product.bootstrap.apiKey),
    unauthenticated: () => post(request(), null),
    permission_denied: async () => {
      const { body } = await product.call('accounts.v1.Accounts/CreateAPIKey', {
        name: 'viewer',
        workspaceId: vector.request.workspaceId,
        policies: ['proxies-viewer'],
      });
      return post(request(), body.rawKey);
    },
    not_found: () => post(request({ poolId: vector.request.providerId }), product.bootstrap.apiKey),
    invalid_argument: () => post(request({ token: '' }), product.bootstrap.apiKey),
    resource_exhausted: async () => {
      const slow = new Product({ SALLYPORT_RPC_RATE: '1', SALLYPORT_RPC_BURST: '1' });
      await slow.start();
      const { apiKey } = slow.bootstrap;
      await post(request(), apiKey, slow.controlUrl);
      const answer = await post(request(), apiKey, slow.controlUrl);
      await slow.destroy();
      expect(Number(/^retry-after: (\d+)/im.exec(answer.head)?.[1])).toBeGreaterThanOrEqual(1);
      return answer;
    },
    internal: () => post(request(keyless), product.bootstrap.apiKey),
  };

  test.each(Object.keys(vector.errors) as Code[])('%s has exactly its status and its code', async (code) => {
    const answer = await provoke[code]();
    const expected = vector.errors[code];
    const json = JSON.parse(answer.body);
    expect([answer.status, json.code]).toEqual([expected.status, code]);
    // A live message may say more than the text of the vector, never other.
    expect(json.message.startsWith(expected.message)).toBe(true);
    expect(answer.head).toMatch(/^content-type: application\/json\r?$/im);
  });

  test('what curl may get wrong is invalid_argument, and the key of another kind unauthenticated', async () => {
    const key = product.bootstrap.apiKey;
    const wrong = [
      '{',
      '[]',
      '',
      request({ port: '8080x' }),
      request({ port: 70_000 }),
      request({ password: { nested: vector.request.password } }),
      request({ passwort: vector.request.password }),
      request({ password: `${vector.request.password}\r\n` }),
      request({ username: undefined }),
      request({ workspaceId: 'AAAA' }),
    ];
    for (const body of wrong) {
      const answer = await post(body, key);
      expect([answer.status, JSON.parse(answer.body).code], body).toEqual([400, 'invalid_argument']);
    }
    const answer = await post(request(), `sp_live_${'0'.repeat(48)}`);
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([401, 'unauthenticated']);
  });

  test('the password is in no answer and in no line of the log, in any form', () => {
    const scan = new SecretScan();
    scan.plant('the password', vector.request.password);
    expect(answers.length).toBeGreaterThan(15);
    expect(scan.find('answers', answers.join('\n'))).toEqual([]);
    expect(scan.find('output', product.output)).toEqual([]);
    expect(scan.find('the request', request())).not.toEqual([]);
  });
});

const buf = await bufProgram();

describe.skipIf(buf === null)(buf === null ? 'buf does not run here: skipped' : 'buf curl', () => {
  test.each([
    ['connect', []],
    ['grpc', ['--http2-prior-knowledge']],
    ['grpcweb', []],
  ])('creates a session over %s, and gets the same error as curl', async (protocol, more) => {
    const call = (body: object) =>
      promisify(execFile)(buf!, [
        ...['curl', '--schema', 'control/proto', '--protocol', protocol, ...more],
        ...['-H', `Authorization: Bearer ${product.bootstrap.apiKey}`],
        ...['-d', JSON.stringify(body), `${product.controlUrl}${vector.path}`],
      ]);
    const token = `over-${protocol}`;
    const { session } = JSON.parse((await call({ ...vector.request, token })).stdout);
    const { id: _, createdAt: __, updatedAt: ___, ...expected } = vector.response.session;
    expect(session).toMatchObject({ ...expected, token });
    expect(session).not.toHaveProperty('password');
    const refused = await call({ ...vector.request, token }).then(
      () => null,
      (error: { stderr: string }) => error.stderr,
    );
    expect(JSON.parse(refused!).code).toBe('failed_precondition');
    expect(refused).not.toContain(vector.request.password);
  });
});
