/**
 * The scenarios of the matrix as data: what a client is told to fetch, through which
 * credentials, and what it and the target must have seen.
 */
import { expect } from 'vitest';
import { full } from '../../helpers/full.ts';
import type { Answer } from './programs.ts';
import { largeBody, sha256, type Targets, type Visit } from './targets.ts';

/** A cell that ran. */
export interface Outcome {
  /** Its last path segment at the targets. */
  readonly cell: string;
  readonly targets: Targets;
  readonly answers: readonly Answer[];
  readonly visits: readonly Visit[];
  /** What the gateway said to the client, as text. */
  readonly answered: string;
  /** What `docs/clients.md` says that the client says. */
  readonly documented: (scenario: 'wrong-key' | 'refused') => string;
}

export interface Scenario {
  urls(targets: Targets, cell: string): string[];
  /** The credentials in the proxy's URL; the right ones unless it says so. */
  readonly credentials?: 'wrong-key' | 'no-pool';
  /** What the programs call it, when that is another name. */
  readonly program?: string;
  /** Its target is on [::1]. */
  readonly ipv6?: true;
  /** Too many octets to keep a copy of. */
  readonly large?: true;
  /** Octets of the file that it sends. */
  readonly bodyBytes?: number;
  /** It takes its time, and runs at full size only. */
  readonly atFullSize?: true;
  check(outcome: Outcome): void;
}

/** The body of every small POST. */
export const SMALL_BODY = 'name=sallyport';
const LARGE_BYTES = full ? 1 << 30 : 32 << 20;
const LARGE_SHA256 = sha256(largeBody(LARGE_BYTES));
const UPLOAD_BYTES = 32 << 20;
const UPLOAD_SHA256 = sha256(largeBody(UPLOAD_BYTES));

const hello = (cell: string): string => `hello /hello/${cell}`;
const ws = (url: string): string => url.replace(/^http/, 'ws');
const field = ({ lines }: Visit, name: string): string | undefined =>
  lines.find((line) => line.toLowerCase().startsWith(`${name}: `))?.slice(name.length + 2);

/** Every answer is a 200 with this body, and no error. */
function expectBodies(answers: readonly Answer[], ...bodies: string[]): void {
  expect(answers.map(({ status, body, error }) => ({ status, body: body?.trimEnd(), error }))).toEqual(
    bodies.map((body) => ({ status: 200, body, error: undefined })),
  );
}

/** One whole POST came, with exactly this body. */
function expectPosted({ answers, visits }: Outcome, bytes: number, hash: string): Visit {
  expect(visits).toHaveLength(1);
  expect(visits[0]).toMatchObject({ method: 'POST', bodyBytes: bytes, bodySha256: hash, outcome: 'whole' });
  expectBodies(answers, hash);
  return visits[0]!;
}

function expectSmallPost(outcome: Outcome): Visit {
  return expectPosted(outcome, SMALL_BODY.length, sha256([SMALL_BODY]));
}

function expectHellos({ answers, visits, cell }: Outcome, ...schemes: ('http' | 'https')[]): void {
  expectBodies(answers, ...schemes.map(() => hello(cell)));
  expect(visits.map(({ scheme, method, outcome }) => ({ scheme, method, outcome }))).toEqual(
    schemes.map((scheme) => ({ scheme, method: 'GET', outcome: 'whole' })),
  );
}

function expectEcho({ answers, visits }: Outcome): void {
  expect(answers).toMatchObject([{ status: 101, body: 'sally' }]);
  expect(visits).toHaveLength(1);
  expect(field(visits[0]!, 'upgrade')?.toLowerCase()).toBe('websocket');
}

/** The gateway asked for credentials, and then let the client through on the same words. */
function expectChallenged(outcome: Outcome, scheme: 'http' | 'https'): void {
  expectHellos(outcome, scheme);
  expect(outcome.answered).toMatch(/^HTTP\/1\.1 407 auth_required\r\n/);
}

export const SCENARIOS = {
  get: {
    urls: ({ http }, cell) => [`${http}/hello/${cell}`],
    check: (outcome) => expectHellos(outcome, 'http'),
  },
  'post-length': {
    urls: ({ http }, cell) => [`${http}/echo/${cell}`],
    check: (outcome) => {
      const visit = expectSmallPost(outcome);
      expect(field(visit, 'content-length')).toBe(String(SMALL_BODY.length));
      expect(field(visit, 'transfer-encoding')).toBeUndefined();
    },
  },
  'post-chunked': {
    urls: ({ http }, cell) => [`${http}/echo/${cell}`],
    check: (outcome) => {
      const visit = expectSmallPost(outcome);
      expect(field(visit, 'transfer-encoding')).toBe('chunked');
      expect(field(visit, 'content-length')).toBeUndefined();
    },
  },
  'expect-continue': {
    urls: ({ http }, cell) => [`${http}/echo/${cell}`],
    check: (outcome) => {
      const visit = expectSmallPost(outcome);
      expect(field(visit, 'expect')).toBe('100-continue');
      expect(visit.continued).toBe(true);
      expect(outcome.answered).toMatch(/^HTTP\/1\.1 100 Continue\r\n/m);
    },
  },
  head: {
    urls: ({ http }, cell) => [`${http}/hello/${cell}`],
    check: ({ answers, visits, cell }) => {
      expect(answers).toMatchObject([{ status: 200, body: '', length: hello(cell).length }]);
      expect(visits).toMatchObject([{ method: 'HEAD', outcome: 'whole' }]);
    },
  },
  'no-body': {
    urls: ({ http }, cell) => [`${http}/status/204/${cell}`, `${http}/etag/${cell}`],
    check: ({ answers, visits }) => {
      expect(answers).toMatchObject([
        { status: 204, body: '' },
        { status: 304, body: '' },
      ]);
      expect(visits.map(({ outcome }) => outcome)).toEqual(['whole', 'whole']);
    },
  },
  redirect: {
    urls: ({ http }, cell) => [`${http}/redirect/${cell}`],
    check: ({ answers, visits, cell }) => {
      expectBodies(answers, hello(cell));
      expect(visits.map(({ scheme, path }) => `${scheme} ${path}`)).toEqual([
        `http /redirect/${cell}`,
        `https /hello/${cell}`,
      ]);
    },
  },
  tunnel: {
    urls: ({ https }, cell) => [`${https}/hello/${cell}`],
    check: (outcome) => expectHellos(outcome, 'https'),
  },
  'tunnel-reuse': {
    urls: ({ https }, cell) => [`${https}/hello/${cell}`, `${https}/hello/${cell}`],
    check: (outcome) => {
      const { visits } = outcome;
      expect(visits.map(({ scheme, method, outcome: end }) => `${scheme} ${method} ${end}`)).toEqual([
        'https GET whole',
        'https GET whole',
      ]);
      expect(visits[0]!.connection).toBe(visits[1]!.connection);
      expect(outcome.answers.map(({ status }) => status)).toEqual([200, 200]);
      expect(outcome.answers.map(({ body }) => body).join('')).toContain(`${hello(outcome.cell)}`);
    },
  },
  websocket: {
    urls: ({ https }, cell) => [`${ws(https)}/hello/${cell}`],
    check: expectEcho,
  },
  'ws-plain': {
    program: 'websocket',
    urls: ({ http }, cell) => [`${ws(http)}/hello/${cell}`],
    check: expectEcho,
  },
  challenge: {
    urls: ({ http }, cell) => [`${http}/hello/${cell}`],
    check: (outcome) => expectChallenged(outcome, 'http'),
  },
  'tunnel-challenge': {
    program: 'challenge',
    urls: ({ https }, cell) => [`${https}/hello/${cell}`],
    check: (outcome) => expectChallenged(outcome, 'https'),
  },
  'wrong-key': {
    urls: ({ http, https }, cell) => [`${http}/hello/${cell}`, `${https}/hello/${cell}`],
    credentials: 'wrong-key',
    check: ({ answers, visits, answered, documented }) => {
      expect(visits).toEqual([]);
      expect(answered).toMatch(/^HTTP\/1\.1 407 auth_failed\r\n/m);
      const [plain = '', tunnel = ''] = answers.map(({ status, error }) => `${status ?? ''} ${error ?? ''}`);
      const said = documented('wrong-key');
      expect(tunnel).toContain(said);
      // A plain request has an answer, with its status; but for those that try again by themselves.
      expect(plain).toContain(plain.includes(said) ? said : '407');
    },
  },
  refused: {
    urls: ({ https }, cell) => [`${https}/hello/${cell}`],
    credentials: 'no-pool',
    check: ({ answers, visits, answered, documented }) => {
      expect(visits).toEqual([]);
      expect(answered).toMatch(/^HTTP\/1\.1 403 pool_unknown\r\n/m);
      expect(`${answers[0]!.status ?? ''} ${answers[0]!.error ?? ''} ${answers[0]!.body ?? ''}`).toContain(
        documented('refused'),
      );
    },
  },
  ipv6: {
    ipv6: true,
    urls: ({ http6 }, cell) => [`${http6}/hello/${cell}`],
    check: (outcome) => {
      expectHellos(outcome, 'http');
      expect(field(outcome.visits[0]!, 'host')).toBe(new URL(outcome.targets.http6).host);
    },
  },
  'ipv6-tunnel': {
    ipv6: true,
    program: 'ipv6',
    urls: ({ https6 }, cell) => [`${https6}/hello/${cell}`],
    check: (outcome) => expectHellos(outcome, 'https'),
  },
  download: {
    urls: ({ http, https }, cell) => [
      `${http}/large/${LARGE_BYTES}/chunked/${cell}`,
      `${https}/large/${LARGE_BYTES}/length/${cell}`,
    ],
    large: true,
    check: ({ answers, visits }) => {
      expectBodies(answers, LARGE_SHA256, LARGE_SHA256);
      expect(visits.map(({ outcome }) => outcome)).toEqual(['whole', 'whole']);
    },
  },
  upload: {
    urls: ({ http }, cell) => [`${http}/echo/${cell}`],
    large: true,
    bodyBytes: UPLOAD_BYTES,
    check: (outcome) => void expectPosted(outcome, UPLOAD_BYTES, UPLOAD_SHA256),
  },
  'upload-gib': {
    program: 'upload',
    urls: ({ http }, cell) => [`${http}/echo/${cell}`],
    large: true,
    bodyBytes: LARGE_BYTES,
    atFullSize: true,
    check: (outcome) => void expectPosted(outcome, LARGE_BYTES, LARGE_SHA256),
  },
  abort: {
    urls: ({ http, https }, cell) => [`${http}/endless/${cell}`, `${https}/endless/${cell}`],
    large: true,
    check: ({ answers, visits }) => {
      expect(answers.map(({ body }) => Number(body) > 0)).toEqual([true, true]);
      expect(visits.map(({ scheme, outcome }) => `${scheme} ${outcome}`)).toEqual(['http cut', 'https cut']);
    },
  },
} as const satisfies Record<string, Scenario>;

export type ScenarioName = keyof typeof SCENARIOS;

/** What is run through the other entrances too. */
export const EVERYWHERE: readonly ScenarioName[] = [
  'get',
  'post-length',
  'post-chunked',
  'head',
  'redirect',
  'tunnel',
  'tunnel-reuse',
  'download',
  'upload',
  'upload-gib',
  'abort',
];
