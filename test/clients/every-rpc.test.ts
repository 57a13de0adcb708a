/**
 * Every RPC through clients that others made, in every protocol: the same answers
 * and the same codes from all of them. The calls are those of `docs/api.md`; each
 * driver has a fresh product, so that all see the same history.
 */
import type { DescMethod, JsonObject, JsonValue } from '@bufbuild/protobuf';
import { afterAll, describe, expect, test } from 'vitest';
import { Accounts } from '../../control/gen/accounts/v1/accounts_pb.ts';
import { Proxies } from '../../control/gen/proxies/v1/proxies_pb.ts';
import { fullName } from '../../control/interceptors/method-rules.ts';
import {
  API_EXAMPLES,
  BOOTSTRAP_VARIABLES,
  fillVariables,
  textAt,
  VENDOR_ACCOUNT,
} from '../../scripts/api-examples.ts';
import { bufProgram } from '../helpers/buf.ts';
import { hasCurl } from '../helpers/curl.ts';
import { Product } from '../helpers/product.ts';
import { ProxiedClient } from '../helpers/proxied.ts';
import { bufDriver, buildImage, curlDriver, grpcJsDriver, type RpcDriver } from '../helpers/rpc-drivers.ts';
import { startTarget } from '../helpers/target.ts';
import { startWebshareStandIn } from '../helpers/webshare-stand-in.ts';

const METHODS = [...Accounts.methods, ...Proxies.methods];
const buf = await bufProgram();
const image = buf === null ? '' : buildImage(buf);
/** Every driver, and the program without which it is skipped by name. */
const DRIVERS: readonly (readonly [driver: RpcDriver, missing: string | null])[] = [
  [grpcJsDriver, null],
  [curlDriver, hasCurl ? null : 'curl'],
  ...(['connect', 'grpc', 'grpcweb'] as const).map(
    (protocol) => [bufDriver(buf ?? '', protocol, image), buf === null ? 'buf' : null] as const,
  ),
];

/** One line a call: what was asked and what came back, without what differs from run to run. */
type Transcript = Record<string, unknown>;

/** What no two runs share. Ids are numbered in the order in which they come up, so that it shows which is which. */
class Anonymous {
  readonly #ids = new Map<string, string>();

  of(value: JsonValue | undefined, field = ''): JsonValue | undefined {
    if (Array.isArray(value)) return value.map((item) => this.of(item, field) as JsonValue);
    if (typeof value === 'object' && value !== null) {
      return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, this.of(item, name) as JsonValue]));
    }
    if (typeof value !== 'string') return VOLATILE_NUMBERS.has(field) ? `<${field}>` : value;
    if (VOLATILE.has(field)) return value === '' ? '' : `<${field}>`;
    if (/^[A-Za-z0-9+/]{22}==$/.test(value) || UUID.test(value)) return this.#number(value);
    if (/^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value)) return '<time>';
    return /^\d+(\.\d+)?s$/.test(value) && MEASURED.has(field) ? '<measured>' : value;
  }

  #number(id: string): string {
    const bytes = UUID.test(id) ? Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64') : id;
    const known = this.#ids.get(bytes) ?? `<id ${this.#ids.size + 1}>`;
    this.#ids.set(bytes, known);
    return known;
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const VOLATILE = new Set([
  'rawKey',
  'keyPrefix',
  'hash',
  'nextCursor',
  'requestId',
  'chunk',
  'clientAddress',
  'bytesIn',
  'bytesOut',
  'totalBytes',
]);
const VOLATILE_NUMBERS = new Set(['targetPort']);
const MEASURED = new Set(['duration', 'firstByte', 'resolve', 'dial', 'latency']);

const products: Product[] = [];
/** Of the first driver, which the others are compared with. */
const transcripts = new Map<string, Transcript>();
const target = await startTarget();
const webshare = await startWebshareStandIn();
webshare.apiKey = VENDOR_ACCOUNT.apiKey;
afterAll(async () => {
  await Promise.all(products.map((product) => product.destroy()));
  await webshare.close();
  await target.close();
});

async function freshProduct(): Promise<{ product: Product; variables: Map<string, string> }> {
  const product = new Product({ SALLYPORT_WEBSHARE_API_URL: webshare.url });
  products.push(product);
  await product.start();
  const names = Object.entries(BOOTSTRAP_VARIABLES);
  return { product, variables: new Map(names.map(([name, field]) => [name, product.bootstrap[field]])) };
}

/** One request through the pool `local`; its id, and the record of it is in the ring. */
async function proxiedRequest(product: Product): Promise<string> {
  const client = new ProxiedClient(product.gatewayPort);
  const answer = await client.get(`http://127.0.0.1:${target.port}/`, product.authorization('local'));
  client.close();
  expect(answer.status).toBe(200);
  return answer.requestId;
}

async function runExamples(driver: RpcDriver): Promise<Transcript> {
  const { product, variables } = await freshProduct();
  const { apiKey } = product.bootstrap;
  const anonymous = new Anonymous();
  const transcript: Transcript = {};
  variables.set('REQUEST_ID', await proxiedRequest(product));
  for (const method of METHODS) {
    const path = fullName(method);
    const example = API_EXAMPLES.get(path)!;
    const body = fillVariables(example.body, variables) as JsonValue;
    const tails = path.endsWith('/TailRequests');
    const asked = driver.call(product.controlUrl, method, body, apiKey, tails ? 1 : 0);
    // The tail shows what finishes while it is open: one request after the other until it has seen one.
    if (tails) {
      let seen = false;
      void asked.finally(() => {
        seen = true;
      });
      for (let i = 0; i < 100 && !seen; i++) {
        await proxiedRequest(product);
        await Promise.race([asked, new Promise((resolve) => setTimeout(resolve, 100))]);
      }
    }
    const answer = await asked;
    for (const [name, at] of Object.entries(example.sets ?? {})) variables.set(name, textAt(answer.messages[0], at));
    const messages = method.methodKind === 'unary' ? answer.messages : answer.messages.slice(0, 1);
    transcript[path] = { code: answer.code, messages: messages.map((message) => anonymous.of(message)) };
  }
  return transcript;
}

/** Every method without a key, with nothing in it, and about things that are nowhere. */
async function runRefusals(driver: RpcDriver): Promise<Transcript> {
  const { product, variables } = await freshProduct();
  const { controlUrl, bootstrap } = product;
  const transcript: Transcript = {};
  for (const method of METHODS) {
    const codes = [
      (await driver.call(controlUrl, method, {}, null)).code,
      (await driver.call(controlUrl, method, {}, 'sp_live_garbage')).code,
    ];
    if (method.input.fields.length > 0 && !method.name.startsWith('List')) {
      codes.push((await driver.call(controlUrl, method, {}, bootstrap.apiKey)).code);
    }
    const nowhere = idsNowhere(method, variables.get('WORKSPACE_ID')!);
    if (nowhere !== null) codes.push((await driver.call(controlUrl, method, nowhere, bootstrap.apiKey)).code);
    transcript[fullName(method)] = codes;
  }
  return transcript;
}

/** A request for one thing that does not exist; null for methods that name none. */
function idsNowhere(method: DescMethod, workspaceId: string): JsonObject | null {
  const own = method.input.fields.filter(({ name }) => /^(session|pool|provider|assignment)_id$/.test(name));
  if (!/^(Get|Delete)/.test(method.name) || own.length !== 1) return null;
  return { workspaceId, [own[0]!.jsonName]: Buffer.alloc(16, 7).toString('base64') };
}

describe.each([
  ['the calls of the reference', runExamples],
  ['refusals', runRefusals],
] as const)('%s', (what, runAll) => {
  for (const [driver, missing] of DRIVERS) {
    const name = missing === null ? driver.name : `${driver.name}: ${missing} is not installed: skipped`;
    test.skipIf(missing !== null)(name, { timeout: 240_000 }, async () => {
      const transcript = await runAll(driver);
      expect(Object.keys(transcript)).toEqual(METHODS.map(fullName));
      expect(what === 'refusals' ? unexpectedRefusals(transcript) : failedExamples(transcript)).toEqual([]);
      const first = transcripts.get(what);
      if (first === undefined) transcripts.set(what, transcript);
      else expect(transcript).toEqual(first);
    });
  }
});

function failedExamples(transcript: Transcript): string[] {
  return Object.entries(transcript)
    .filter(([, answer]) => (answer as { code: string }).code !== 'ok')
    .map(([path, answer]) => `${path}: ${(answer as { code: string }).code}`);
}

function unexpectedRefusals(transcript: Transcript): string[] {
  return Object.entries(transcript)
    .filter(([, codes]) => {
      const [none, garbage, ...rest] = codes as string[];
      const wrong = rest.some((code) => !['invalid_argument', 'not_found'].includes(code));
      return none !== 'unauthenticated' || garbage !== 'unauthenticated' || wrong;
    })
    .map(([path, codes]) => `${path}: ${(codes as string[]).join(', ')}`);
}
