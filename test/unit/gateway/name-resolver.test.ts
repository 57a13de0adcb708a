/**
 * The name resolver against a DNS server on loopback: what it answers, for how long
 * it keeps that, and that names which do not answer hold up nobody.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Deadlines } from '../../../gateway/deadlines.ts';
import {
  NameResolver,
  type NameResolverOptions,
  type Resolved,
  type SecondChoice,
} from '../../../gateway/name-resolver.ts';
import { SystemLookup } from '../../../gateway/system-lookup.ts';
import { type DnsScript, type DnsServer, startDnsServer } from '../../helpers/dns-server.ts';
import { eventually } from '../../helpers/wire.ts';

const BOTH: DnsScript = () => ({ addresses: ['192.0.2.1', '2001:db8::1'], ttl: 60 });
const V4 = { address: '192.0.2.1', family: 4 };
const V6 = { address: '2001:db8::1', family: 6 };

let dns: DnsServer;
let now: number;
let deadlines: Deadlines;
const clock = { nowMs: () => now, monotonicMs: () => now };
const open: NameResolver[] = [];
let directory: string;

beforeEach(async () => {
  now = 1_000_000;
  deadlines = new Deadlines();
  directory = mkdtempSync(join(tmpdir(), 'sallyport-hosts-'));
  dns = await startDnsServer(BOTH);
});
afterEach(async () => {
  for (const resolver of open.splice(0)) resolver.close();
  deadlines.close();
  rmSync(directory, { recursive: true });
  await dns.close();
});

function resolver(options: Partial<NameResolverOptions> = {}): NameResolver {
  const made = new NameResolver({
    clock,
    deadlines,
    dnsTimeoutMs: 5_000,
    dnsServers: [dns.address],
    hostsPath: join(directory, 'hosts'),
    ...options,
  });
  open.push(made);
  return made;
}

function resolved(names: NameResolver, host: string): Promise<Resolved> {
  return new Promise((resolve) => names.resolve(host, resolve));
}

/** What is answered within the call, or undefined. */
function atOnce(names: NameResolver, host: string): Resolved | undefined {
  let answer: Resolved | undefined;
  names.resolve(host, (found) => {
    answer = found;
  });
  return answer;
}

describe('without asking anybody', () => {
  test.each([
    ['192.0.2.7', [{ address: '192.0.2.7', family: 4 }]],
    ['2001:db8::7', [{ address: '2001:db8::7', family: 6 }]],
  ])('%s is itself', (host, expected) => expect(atOnce(resolver(), host)).toEqual(expected));

  test.each(['localhost', 'LOCALHOST', 'localhost.', 'a.localhost', 'a.b.LocalHost.'])('%s is loopback', (host) => {
    writeFileSync(join(directory, 'hosts'), '192.0.2.9 localhost a.localhost\n');
    const expected = [
      { address: '127.0.0.1', family: 4 },
      { address: '::1', family: 6 },
    ];
    expect(atOnce(resolver(), host)).toEqual(expected);
  });

  test.each(['a.invalid', 'x.onion', 'invalid.'])('%s does not exist', (host) => {
    expect(atOnce(resolver(), host)).toBe('upstream_dns');
    expect(dns.asked).toEqual([]);
  });

  test('the hosts file comes before DNS, and is read again when it changed, some seconds later', async () => {
    const path = join(directory, 'hosts');
    writeFileSync(
      path,
      '# comment\n2001:db8::5 one\n192.0.2.5\tOne.test  one # two\n\n999.1.1.1 bad\nfe80::1%lo zoned\n',
    );
    const names = resolver();
    expect(atOnce(names, 'ONE.')).toEqual([
      { address: '192.0.2.5', family: 4 },
      { address: '2001:db8::5', family: 6 },
    ]);
    expect(atOnce(names, 'one.test')).toEqual([{ address: '192.0.2.5', family: 4 }]);
    expect(names.known('two')).toBeNull();
    expect(names.known('bad')).toBeNull();
    expect(names.known('zoned')).toBeNull();
    writeFileSync(path, '192.0.2.66 one\n192.0.2.67 two\n');
    expect(names.known('two')).toBeNull();
    now += 5_000;
    await eventually('the new file is in force', () => names.known('two') !== null);
    expect(names.known('one')).toEqual([{ address: '192.0.2.66', family: 4 }]);
    rmSync(path);
    now += 5_000;
    await eventually('the file is gone', () => names.known('two') === null);
  });
});

describe('DNS', () => {
  test('is asked for both families at once, and IPv4 leads', async () => {
    expect(await resolved(resolver(), 'A.test.')).toEqual([V4, V6]);
    expect(dns.asked.map(({ name, type }) => `${name} ${type}`).sort()).toEqual(['a.test A', 'a.test AAAA']);
  });

  test('may know one family only', async () => {
    dns.behave(() => ({ addresses: ['2001:db8::1'] }));
    expect(await resolved(resolver(), 'a.test')).toEqual([V6]);
  });

  test('a family that does not answer is waited for a moment only', async () => {
    dns.behave(({ type }) => (type === 'AAAA' ? 'silent' : { addresses: ['192.0.2.1'] }));
    const names = resolver();
    const started = performance.now();
    expect(await resolved(names, 'a.test')).toEqual([V4]);
    expect(performance.now() - started).toBeLessThan(1_500);
  });

  test('aliases are followed, and answers that UDP cuts short come over TCP', async () => {
    dns.behave(({ name }) => ({ addresses: ['192.0.2.1', '2001:db8::1'], cname: `b.${name}`, truncated: true }));
    expect(await resolved(resolver(), 'a.test')).toEqual([V4, V6]);
    expect(dns.asked.length).toBeGreaterThanOrEqual(4);
  });

  test.each(['nxdomain', 'servfail'] as const)('%s is upstream_dns, also for the next two seconds', async (reply) => {
    dns.behave(() => reply);
    const names = resolver();
    expect(await resolved(names, 'a.test')).toBe('upstream_dns');
    dns.behave(BOTH);
    now += 1_999;
    expect(atOnce(names, 'a.test')).toBe('upstream_dns');
    now += 1;
    expect(await resolved(names, 'a.test')).toEqual([V4, V6]);
  });

  test('silence is upstream_dns after the timeout, and asked once for all who wait', async () => {
    dns.behave(() => 'silent');
    const names = resolver({ dnsTimeoutMs: 300 });
    const started = performance.now();
    const answers = await Promise.all(Array.from({ length: 50 }, () => resolved(names, 'a.test')));
    expect(performance.now() - started).toBeGreaterThanOrEqual(300);
    expect(performance.now() - started).toBeLessThan(1_500);
    expect(new Set(answers)).toEqual(new Set(['upstream_dns']));
    expect(dns.asked.filter(({ nth }) => nth === 0)).toHaveLength(2);
  });

  test('two hundred names that never answer do not hold up one that does (R-17)', async () => {
    dns.behave(({ name }) => (name.startsWith('dead') ? 'silent' : { addresses: ['192.0.2.1'] }));
    const names = resolver();
    let late = 0;
    for (let asked = 0; asked < 200; asked += 50) {
      for (let i = 0; i < 50; i++) names.resolve(`dead-${asked + i}.test`, () => late++);
      // In one go they would be more than the receiving socket of this process holds.
      await eventually('they are asked for', () => dns.asked.length >= 2 * (asked + 50));
    }
    const started = performance.now();
    expect(await resolved(names, 'live.test')).toEqual([V4]);
    expect(performance.now() - started).toBeLessThan(1_000);
    expect({ late, underWay: names.underWay }).toEqual({ late: 0, underWay: 200 });
  });

  test('so many are under way at once and no more', async () => {
    dns.behave(() => 'silent');
    const names = resolver();
    const answers: Resolved[] = [];
    for (let i = 0; i < 1_025; i++) names.resolve(`n${i}.test`, (found) => answers.push(found));
    expect(answers).toEqual(['overloaded']);
    // Who asks for one of those under way takes no place of its own.
    expect(atOnce(names, 'n0.test')).toBeUndefined();
    names.close();
    expect(answers).toHaveLength(1_025);
    await eventually('none is under way', () => names.underWay === 0);
  });
});

describe('what is kept', () => {
  test.each([
    [0, 1_000],
    [60, 60_000],
    [86_400, 300_000],
  ])('a time to live of %i s keeps an answer %i ms', async (ttl, ms) => {
    dns.behave(() => ({ addresses: ['192.0.2.1'], ttl }));
    const names = resolver();
    await resolved(names, 'a.test');
    dns.behave(() => ({ addresses: ['192.0.2.2'], ttl }));
    now += ms - 1;
    expect(atOnce(names, 'A.TEST.')).toEqual([V4]);
    now += 1;
    expect(await resolved(names, 'a.test')).toEqual([{ address: '192.0.2.2', family: 4 }]);
  });

  test('the shortest time of all records counts', async () => {
    dns.behave(({ type }) =>
      type === 'A' ? { addresses: ['192.0.2.1'], ttl: 200 } : { addresses: ['2001:db8::1'], ttl: 2 },
    );
    const names = resolver();
    await resolved(names, 'a.test');
    now += 2_000;
    expect(atOnce(names, 'a.test')).toBeUndefined();
  });

  test('has a bound', async () => {
    const names = resolver();
    // Names that fit in no question: they fail at once, and that is kept as any failure is.
    const tooLong = 'l'.repeat(64);
    for (let batch = 0; batch < 12; batch++) {
      const answers = await Promise.all(
        Array.from({ length: 900 }, (_, i) => resolved(names, `n${batch}-${i}.${tooLong}`)),
      );
      expect(new Set(answers)).toEqual(new Set(['upstream_dns']));
    }
    expect(names.cached).toBe(10_000);
  });

  test('an answer that came after its time serves the next who asks', async () => {
    const { promise: held, resolve: answer } = Promise.withResolvers<void>();
    dns.behave(async () => {
      await held;
      return { addresses: ['192.0.2.1'] };
    });
    const names = resolver({ dnsTimeoutMs: 2_000 });
    let first: Resolved | undefined;
    names.resolve('a.test', (found) => {
      first = found;
    });
    await eventually('it is asked for', () => dns.asked.length >= 2);
    // Twenty ticks of 100 ms, and the one that rounds up.
    for (let tick = 0; tick < 22; tick++) deadlines.advance();
    expect(first).toBe('upstream_dns');
    answer();
    await eventually('the answer is in', () => names.underWay === 0);
    expect(atOnce(names, 'a.test')).toEqual([V4]);
  });
});

describe('the second choice', () => {
  const asked: string[] = [];
  const found = [{ address: '192.0.2.77', family: 4 }] as const;
  const secondChoice: SecondChoice = {
    find: (name, wanted, done) => {
      asked.push(`${name} ${wanted()}`);
      done(name === 'known' ? found : []);
    },
  };
  beforeEach(() => void asked.splice(0));

  test('is asked for names that DNS does not have, and its answer is kept for half a minute', async () => {
    dns.behave(() => 'nxdomain');
    const names = resolver({ secondChoice });
    expect(await resolved(names, 'known')).toEqual(found);
    now += 29_999;
    expect(atOnce(names, 'known')).toEqual(found);
    now += 1;
    expect(atOnce(names, 'known')).toBeUndefined();
    expect(await resolved(names, 'unknown')).toBe('upstream_dns');
    await eventually('all are answered', () => names.underWay === 0);
    expect(asked.sort()).toEqual(['known true', 'known true', 'unknown true']);
  });

  test('is asked where there is no DNS at all, and not where DNS could not tell', async () => {
    const names = resolver({ secondChoice });
    dns.behave(() => 'servfail');
    expect(await resolved(names, 'known')).toBe('upstream_dns');
    expect(asked).toEqual([]);
    const { address } = dns;
    await dns.close();
    expect(await resolved(resolver({ secondChoice, dnsServers: [address] }), 'known')).toEqual(found);
    dns = await startDnsServer(BOTH);
  });
});

describe("the system's own look-up", () => {
  /** Every name that an answer came for, in order, with how many addresses it had. */
  function lookups() {
    const answers: [name: string, count: number][] = [];
    const system = new SystemLookup();
    const find = (name: string, wanted = () => true) =>
      system.find(name, wanted, (found) => answers.push([name, found.length]));
    return { answers, find };
  }

  test('knows what the system knows', async () => {
    const { answers, find } = lookups();
    find('localhost');
    await eventually('it is answered', () => answers.length === 1);
    expect(answers[0]![1]).toBeGreaterThan(0);
  });

  test('runs two at a time, lets a few wait, and says no to the rest at once', async () => {
    const { answers, find } = lookups();
    for (let i = 0; i < 70; i++) find('localhost');
    expect(answers).toEqual(Array.from({ length: 4 }, () => ['localhost', 0]));
    await eventually('all are answered', () => answers.length === 70);
    expect(answers.filter(([, count]) => count > 0)).toHaveLength(66);
  });

  test('is not run for those that nobody waits for any more', async () => {
    const { answers, find } = lookups();
    for (let i = 0; i < 2; i++) find('localhost');
    find('never.looked.up.invalid', () => false);
    find('localhost');
    await eventually('all are answered', () => answers.length === 4);
    expect(answers.filter(([name]) => name !== 'localhost')).toEqual([['never.looked.up.invalid', 0]]);
  });
});
