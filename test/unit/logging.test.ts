import { spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FIELD, type LineShape, type LineValue, type Logger } from '../../src/core/log.ts';
import { startLogging } from '../../src/logging.ts';
import { fieldsOf } from '../helpers/wire-log.ts';

/** For programs of their own. */
const LOGGING = new URL('../../src/logging.ts', import.meta.url).href;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-log-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What the log wrote for some calls, line by line; the last newline leaves an empty end. */
async function lines(
  write: (log: Logger) => void,
  options: Parameters<typeof startLogging>[0] = { logLevel: 'info', logFormat: 'json' },
): Promise<string[]> {
  const file = join(folder, `${crypto.randomUUID()}.log`);
  const logging = startLogging(options, openSync(file, 'a'));
  write(logging.log);
  await logging.close();
  return readFileSync(file, 'utf8').split('\n');
}

/** Every character that could end a line, move a cursor, or turn text around. */
const HOSTILE = [
  '\n',
  '\r',
  '\u001b[2J',
  '\u0085',
  '\u009b31m',
  '\u2028',
  '\u2029',
  '\u202e',
  '\u0000',
  '"',
  '\\',
  '\ud800',
];
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not appear.
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/;

describe.each(['json', 'pretty'] as const)('%s lines', (logFormat) => {
  it.each(HOSTILE)('stay one line with %j in a value, a name, a nested value and an error', async (text) => {
    const hostile = `a${text}b`;
    const written = await lines(
      (log) =>
        log.info({ target: hostile, [hostile]: 1, attempts: [{ cause: hostile }], error: new Error(hostile) }, 'done'),
      { logLevel: 'info', logFormat },
    );
    expect(written).toHaveLength(2);
    expect(written[0]).not.toMatch(CONTROL);
  });

  it('cut a text field at 512 characters', async () => {
    const [line] = await lines((log) => log.info({ target: 'x'.repeat(513) }, 'done'), { logLevel: 'info', logFormat });
    expect(/x+/.exec(line!)![0]).toHaveLength(512);
  });
});

it('a JSON line carries level, time, fields and message', async () => {
  const [line] = await lines((log) => log.warn({ [FIELD.requestId]: 'r1', [FIELD.bytesIn]: 5 }, 'request'));
  const { time, ...rest } = JSON.parse(line!);
  expect(rest).toEqual({ level: 'warn', request_id: 'r1', bytes_in: 5, msg: 'request' });
  expect(new Date(time).toISOString()).toBe(time);
});

it('a pretty line reads as a sentence with its fields', async () => {
  const [line] = await lines((log) => log.info({ target: 'a.test:443', cause: 'two words' }, 'request'), {
    logLevel: 'info',
    logFormat: 'pretty',
  });
  expect(line).toMatch(/^\d\d:\d\d:\d\d\.\d{3} INFO {2}request {2}target=a\.test:443 {2}cause="two words"$/);
});

it('levels below the configured one are off, and say so', async () => {
  const answers: boolean[] = [];
  const written = await lines(
    (log) => {
      answers.push(log.isEnabled('info'), log.isEnabled('warn'));
      log.info({}, 'quiet');
      log.error({}, 'loud');
    },
    { logLevel: 'warn', logFormat: 'json' },
  );
  expect(answers).toEqual([false, true]);
  expect(written.map((line) => line && JSON.parse(line).msg)).toEqual(['loud', '']);
});

it('a value that shows itself redacted stays redacted', async () => {
  const secret = { bytes: 'hunter2', toJSON: () => '[redacted]' };
  const [line] = await lines((log) => log.info({ password: secret, list: [secret] }, 'done'));
  expect(line).not.toContain('hunter2');
  expect(JSON.parse(line!)).toMatchObject({ password: '[redacted]', list: ['[redacted]'] });
});

it('a circular value costs neither the line nor the process', async () => {
  const loop: Record<string, unknown> = {};
  loop.self = loop;
  const [line] = await lines((log) => log.info({ loop }, 'done'));
  expect(JSON.parse(line!).loop.self.self.self.self).toBe('[deep]');
});

it('the last lines are on the descriptor when close resolves, in order', async () => {
  const written = await lines((log) => {
    for (let n = 0; n < 5_000; n++) log.info({ n }, 'line');
  });
  expect(written.slice(0, -1).map((line) => JSON.parse(line).n)).toEqual(Array.from({ length: 5_000 }, (_, n) => n));
});

type Told = Readonly<Record<string, LineValue>>;

/** Text of every kind: plain, hostile, of any code unit, and around the length at which it is cut. */
const text = fc.oneof(
  fc.string({ unit: 'grapheme-ascii' }),
  fc.string({ unit: 'binary' }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 8 }).map((units) => String.fromCharCode(...units)),
  fc.constantFrom(...HOSTILE).map((hostile) => `a${hostile}b`),
  fc
    .tuple(fc.constantFrom('x', 'é', '"', '\u0085', '\ud83d\ude00'), fc.integer({ min: 509, max: 515 }))
    .map(([unit, n]) => unit.repeat(n)),
);
const value = fc.oneof(
  { weight: 3, arbitrary: text },
  {
    weight: 3,
    arbitrary: fc.oneof(
      fc.double(),
      fc.integer(),
      fc.integer({ max: 5_000_000, min: 0 }).map((us) => us / 1_000),
    ),
  },
  { weight: 1, arbitrary: fc.constant(undefined) },
);
/** A name that an object keeps, and in its place: neither one of two that are cut to the same, nor an index, nor what every object has. */
const name = text.filter((each) => each.length < 500 && !/^\d+$/.test(each) && !(each in Object.prototype));

/** Some fields in an order of their own, and what a few lines say; each may say again what the one before did. */
const told = fc
  .uniqueArray(fc.oneof(fc.constantFrom(...Object.values(FIELD)), name), { minLength: 1, maxLength: 24 })
  .chain((names) =>
    fc.record({
      message: text,
      names: fc.constant(names),
      rows: fc.array(
        fc.array(fc.oneof(value, fc.constant('again' as const)), { minLength: names.length, maxLength: names.length }),
        {
          minLength: 1,
          maxLength: 6,
        },
      ),
    }),
  );

it.each(['json', 'pretty'] as const)(
  'a %s line of a fixed shape is the line that its fields would make',
  async (logFormat) => {
    await fc.assert(
      fc.asyncProperty(told, async ({ message, names, rows }) => {
        const shape: LineShape<Told> = { message, fields: names.map((each) => [each, (row) => row[each]]) };
        let before: Told = {};
        const written = await lines(
          (log) => {
            const write = log.linesOf(shape);
            for (const row of rows) {
              const said = Object.fromEntries(
                names.map((each, i) => [each, row[i] === 'again' ? before[each] : row[i]]),
              );
              log.info(fieldsOf(shape, said), message);
              write(said);
              before = said;
            }
          },
          { logLevel: 'info', logFormat },
        );
        expect(written).toHaveLength(rows.length * 2 + 1);
        const timeless = written.map((line) => line.replace(/^(.*?)\d\d:\d\d:\d\d\.\d{3}/, '$1'));
        for (let i = 0; i < rows.length; i++) expect(timeless[2 * i + 1]).toBe(timeless[2 * i]);
      }),
      { numRuns: 200 },
    );
  },
);

it('lines of a fixed shape keep their place among others, and are off where info is', async () => {
  const write = (log: Logger) => {
    const count = log.linesOf<number>({ message: 'count', fields: [['n', (n) => n]] });
    for (let n = 0; n < 2_000; n += 2) {
      count(n);
      if (n % 3 === 0) log.warn({ n: n + 1 }, 'between');
      else count(n + 1);
    }
  };
  const all = await lines(write);
  expect(all.slice(0, -1).map((line) => JSON.parse(line).n)).toEqual(Array.from({ length: 2_000 }, (_, n) => n));
  const some = await lines(write, { logLevel: 'warn', logFormat: 'json' });
  expect(some.slice(0, -1).map((line) => JSON.parse(line).n)).toEqual(Array.from({ length: 334 }, (_, n) => n * 6 + 1));
});

it('lines of a fixed shape carry what each line of their thread does', async () => {
  const program = `
    import { startLogging } from ${JSON.stringify(LOGGING)};
    const logging = startLogging({ logLevel: 'info', logFormat: 'json' });
    logging.log.info({ n: 1 }, 'line');
    logging.log.linesOf({ message: 'line', fields: [['n', (n) => n]] })(1);
    await logging.close();`;
  const main = `new (require('node:worker_threads').Worker)(new URL('data:text/javascript,' + encodeURIComponent(process.argv[1])))`;
  const { stdout } = spawnSync(process.execPath, ['-e', main, program], { encoding: 'utf8', timeout: 20_000 });
  const told = stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => ({ ...JSON.parse(line), time: '' }));
  expect(told).toEqual(Array(2).fill({ level: 'info', time: '', component: 'control', n: 1, msg: 'line' }));
});

it('a line that waits is on the descriptor soon, without another call', async () => {
  const file = join(folder, 'soon.log');
  const logging = startLogging({ logLevel: 'info', logFormat: 'json' }, openSync(file, 'a'));
  logging.log.linesOf({ message: 'soon', fields: [] })(null);
  await expect.poll(() => readFileSync(file, 'utf8')).toMatch(/"msg":"soon"\}\n$/);
  await logging.close();
});

it.each(['process.exit(3)', 'setImmediate(() => { throw new Error("gone"); })'])(
  'lines that wait survive %s',
  (end) => {
    const program = `
    import { startLogging } from ${JSON.stringify(LOGGING)};
    const logging = startLogging({ logLevel: 'info', logFormat: 'json' });
    process.once('exit', () => logging.flushNow());
    const write = logging.log.linesOf({ message: 'line', fields: [['n', (n) => n]] });
    for (let n = 0; n < 1_000; n++) write(n);
    ${end};`;
    const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect(status).not.toBe(0);
    const numbers = stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line).n);
    expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 1_000 }, (_, n) => n));
  },
);

it('a reader that goes away does not end the process', () => {
  const program = `
    import { startLogging } from ${JSON.stringify(LOGGING)};
    const logging = startLogging({ logLevel: 'info', logFormat: 'json' });
    for (let n = 0; n < 2_000; n++) logging.log.info({ n }, 'line');
    await logging.close();
    process.stderr.write('alive');`;
  const script = `"$0" --input-type=module -e "$1" | head -c 10 > /dev/null`;
  const { stderr } = spawnSync('sh', ['-c', script, process.execPath, program], { encoding: 'utf8', timeout: 20_000 });
  expect(stderr).toBe('alive');
});
