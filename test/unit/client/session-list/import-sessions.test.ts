/** What an import makes of a list, over a service that refuses some of it. */
import { Code, ConnectError } from '@connectrpc/connect';
import { describe, expect, test } from 'vitest';
import { BadRequestSchema } from '../../../../client/client.ts';
import { type ImportCounts, type ImportSink, importSessions } from '../../../../client/session-list/import-sessions.ts';

type Sessions = Parameters<ImportSink['create']>[0];

/** A service that has some tokens already, and refuses those that `why` has something against, at most two at a time. */
class Service implements ImportSink {
  readonly tokens: Set<string>;
  readonly calls: Sessions[] = [];
  readonly told: [number, string][] = [];
  readonly done: number[] = [];
  readonly #why: (token: string) => string | null;

  constructor(tokens: readonly string[] = [], why: (token: string) => string | null = () => null) {
    this.tokens = new Set(tokens);
    this.#why = why;
  }

  async create(sessions: Sessions): Promise<{ createdCount: number }> {
    this.calls.push(sessions);
    const against = sessions
      .map(({ token }, i) => ({ field: `sessions[${i}].host`, description: this.#why(token!) }))
      .filter(({ description }) => description !== null)
      .slice(0, 2);
    if (against.length > 0) {
      const value = {
        fieldViolations: against.map(({ field, description }) => ({ field, description: description! })),
      };
      throw new ConnectError('malformed', Code.InvalidArgument, undefined, [{ desc: BadRequestSchema, value }]);
    }
    const before = this.tokens.size;
    for (const { token } of sessions) this.tokens.add(token!);
    return { createdCount: this.tokens.size - before };
  }

  refused(number: number, why: string): void {
    this.told.push([number, why]);
  }

  progress({ created, existing, repeated, refused }: ImportCounts): void {
    this.done.push(created + existing + repeated + refused);
  }
}

const NEVER = new AbortController().signal;

async function* pieces(text: string, size = 1_000): AsyncGenerator<string> {
  for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size);
}

const importText = (text: string, service: ImportSink, labels: Record<string, string> = {}, stop = NEVER) =>
  importSessions({ text: pieces(text), scheme: 'http', labels, stop }, service);

const lines = (count: number) => Array.from({ length: count }, (_, n) => `10.0.${n >> 8}.${n & 255}:80`).join('\n');

test('a list becomes sessions, and again makes nothing', async () => {
  const service = new Service();
  const nothing = { existing: 0, repeated: 0, refused: 0 };
  expect(await importText(lines(5_000), service)).toMatchObject({ created: 5_000, ...nothing, kind: 'plain' });
  expect(service.calls.map(({ length }) => length)).toEqual([2_000, 2_000, 1_000]);
  expect(service.done).toEqual([2_000, 4_000, 5_000]);
  expect(await importText(lines(5_000), service)).toMatchObject({ ...nothing, created: 0, existing: 5_000 });
});

test('what a session is made of is what its line says, and nothing that it does not', async () => {
  const service = new Service();
  const text = 'host,port,username,password,country\n203.0.113.7,80,anna,s3cret,DE\n203.0.113.8,81,,,\n';
  await importText(text, service, { team: 'red', country: 'us' });
  expect(service.calls).toEqual([
    [
      {
        ...{ token: 'anna@203.0.113.7:80', scheme: 'http', host: '203.0.113.7', port: 80 },
        ...{ username: 'anna', password: 's3cret', labels: { team: 'red', country: 'de' } },
      },
      {
        token: '203.0.113.8:81',
        scheme: 'http',
        host: '203.0.113.8',
        port: 81,
        labels: { team: 'red', country: 'us' },
      },
    ],
  ]);
});

describe('a bad line does not stop the others', () => {
  test('whoever finds it, and each is told once, with its number', async () => {
    const service = new Service([], (token) => (token.startsWith('10.0.0.3') ? 'is reserved' : null));
    const outcome = await importText(`nonsense\n${lines(50)}\n10.0.0.1:0\n`, service);
    // Of 50 lines those of 10.0.0.3 and 10.0.0.30 to 10.0.0.39.
    expect(outcome).toMatchObject({ created: 39, refused: 13, repeated: 0 });
    expect(service.told).toEqual([
      [1, expect.stringContaining('no port')],
      [52, expect.stringContaining('no port')],
      ...[3, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39].map((n) => [n + 2, 'its host is reserved']),
    ]);
  });

  test('and a line that is there twice is sent once, however far apart', async () => {
    const far = new Service();
    expect(await importText(`${lines(4_500)}\n10.0.0.0:80`, far)).toMatchObject({
      created: 4_500,
      existing: 0,
      repeated: 1,
    });
    const service = new Service();
    expect(await importText('a.test:80\nb.test:80\na.test:80:\n', service)).toMatchObject({ created: 2, repeated: 1 });
  });
});

test('what the service refuses as a whole is a failure, and what was made before it stays', async () => {
  const service = new Service();
  const refusal = new ConnectError('the pool is gone', Code.NotFound);
  const sink: ImportSink = {
    create: async (sessions) => {
      if (service.calls.length === 1) throw refusal;
      return service.create(sessions);
    },
    refused: () => undefined,
    progress: () => undefined,
  };
  await expect(importText(lines(3_000), sink)).rejects.toBe(refusal);
  expect(service.tokens.size).toBe(2_000);
});

test('what is stopped ends behind the batch that is on its way, and tells what was done', async () => {
  const service = new Service();
  const stop = new AbortController();
  const create = (sessions: Sessions) => {
    if (service.calls.length === 1) stop.abort();
    return service.create(sessions);
  };
  const sink: ImportSink = { create, refused: () => undefined, progress: (counts) => service.progress(counts) };
  await expect(importText(lines(7_000), sink, {}, stop.signal)).rejects.toMatchObject({ name: 'AbortError' });
  expect(service.tokens.size).toBe(4_000);
  expect(service.done).toEqual([2_000, 4_000]);
});

test('a refusal that names no line of the list ends it', async () => {
  const value = { fieldViolations: [{ field: 'poolId', description: 'is required' }] };
  const sink: ImportSink = {
    create: async () => {
      throw new ConnectError('malformed', Code.InvalidArgument, undefined, [{ desc: BadRequestSchema, value }]);
    },
    refused: () => undefined,
    progress: () => undefined,
  };
  await expect(importText(lines(1), sink)).rejects.toThrow(ConnectError);
});
