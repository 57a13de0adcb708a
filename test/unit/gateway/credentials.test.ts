import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Credentials, isRejection } from '../../../gateway/credentials.ts';
import type { ApiKeyId, ApiKeyState, WorkspaceId } from '../../../src/core/model.ts';
import { isSelectorFault, plainSelector, type Selector } from '../../../src/core/selector.ts';
import { heapInUse } from '../../helpers/heap.ts';

const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`;

function setUp(fields: Partial<ApiKeyState> = {}) {
  const keys = new Map<string, ApiKeyState>();
  const hash = createHash('sha256').update('key').digest('hex');
  keys.set(hash, {
    id: 'k' as ApiKeyId,
    workspaceId: 'w' as WorkspaceId,
    hash,
    mayUseGateway: true,
    expiresAtMs: null,
    ...fields,
  });
  const clock = { now: 1_000, nowMs: () => clock.now, monotonicMs: () => clock.now };
  let lookUps = 0;
  const directory = {
    findKey(wanted: string) {
      lookUps++;
      return keys.get(wanted);
    },
    findKeyById: (id: ApiKeyId) => [...keys.values()].find((key) => key.id === id),
  };
  const credentials = new Credentials(directory, clock);
  return { keys, clock, credentials, lookUps: () => lookUps };
}

test('an answer is kept for the same header text, and forgotten on request', () => {
  const { credentials, keys, lookUps } = setUp();
  for (let i = 0; i < 3; i++)
    expect(credentials.identify(basic('web:key'), null, null)).toMatchObject({ selector: { pool: 'web' } });
  expect(lookUps()).toBe(1);
  keys.clear();
  credentials.forget();
  expect(credentials.identify(basic('web:key'), null, null)).toEqual({ reason: 'unknown' });
});

test('expiry is looked at on every request, to the millisecond', () => {
  const { credentials, clock } = setUp({ expiresAtMs: 2_000 });
  clock.now = 1_999;
  expect(isRejection(credentials.identify(basic('web:key'), null, null))).toBe(false);
  clock.now = 2_000;
  expect(credentials.identify(basic('web:key'), null, null)).toEqual({ reason: 'expired' });
});

test.each([
  [null, 'missing'],
  ['', 'malformed'],
  ['Basic', 'malformed'],
  [basic('no colon'), 'malformed'],
  [basic(':'), 'malformed'],
  ['Digest x', 'malformed'],
  ['Bearer key key', 'malformed'],
  [`Basic ${'A'.repeat(1_400)}`, 'malformed'],
  ['Bearer other', 'unknown'],
  [basic('web:key '), 'unknown'],
  [basic('key:web'), 'unknown'],
])('%j is rejected as %s', (header, reason) => {
  expect(setUp().credentials.identify(header, null, null)).toEqual({ reason });
});

test('a key without the permission is rejected, and so is a selector that is too long', () => {
  expect(setUp({ mayUseGateway: false }).credentials.identify('Bearer key', null, null)).toEqual({
    reason: 'forbidden',
  });
  expect(setUp().credentials.identify('Bearer key', `session=${'a'.repeat(9_000)}`, null)).toMatchObject({
    selector: { fault: 'invalid', key: null },
  });
});

test('a username and a password are what Basic has, and are looked up each time', () => {
  const { credentials, clock, keys, lookUps } = setUp({ expiresAtMs: 2_000 });
  for (const [username, password] of [['web', 'key'], ['', 'key'], ['key', '']] as const) {
    expect(credentials.identifyPair(username, password)).toEqual(credentials.identify(basic(`${username}:${password}`), null, null));
  }
  expect(lookUps()).toBe(6);
  expect(credentials.identifyPair('', '')).toEqual({ reason: 'malformed' });
  expect(credentials.identifyPair('web', 'key ')).toEqual({ reason: 'unknown' });
  expect(credentials.identifyPair('a b', 'key')).toMatchObject({ selector: { fault: 'invalid', key: 'pool' } });
  clock.now = 2_000;
  expect(credentials.identifyPair('web', 'key')).toEqual({ reason: 'expired' });
  keys.clear();
  expect(credentials.identifyPair('web', 'key')).toEqual({ reason: 'unknown' });
}); // biome-ignore format: one call a line

describe('a binding', () => {
  const binding = { keyId: 'k' as ApiKeyId, selector: plainSelector('web', null), rule: 'range 10.0.0.0/8' };

  test('speaks for whoever sends nothing, and costs a look-up only when keys have changed', () => {
    const { credentials, keys } = setUp();
    const first = credentials.identify(null, null, binding);
    expect(first).toMatchObject({ key: { id: 'k' }, selector: binding.selector, by: 'range 10.0.0.0/8' });
    keys.clear();
    expect(credentials.identify(null, null, binding)).toBe(first);
    credentials.forget();
    expect(credentials.identify(null, null, binding)).toEqual({ reason: 'unknown' });
  });

  test('never forgives what was sent', () => {
    const { credentials } = setUp();
    expect(credentials.identify('', null, binding)).toEqual({ reason: 'malformed' });
    expect(credentials.identify(basic('web:other'), null, binding)).toEqual({ reason: 'unknown' });
    expect(credentials.identify(basic('other:key'), null, binding)).toMatchObject({ selector: { pool: 'other' }, by: 'credentials' });
    expect(credentials.identify(null, 'session=a', binding)).toMatchObject({ selector: { fault: 'invalid', key: null }, by: 'range 10.0.0.0/8' });
  });

  test('is as good as its key', () => {
    expect(setUp({ mayUseGateway: false }).credentials.identifyBound(binding, null)).toEqual({ reason: 'forbidden' });
    const { credentials, clock } = setUp({ expiresAtMs: 2_000 });
    expect(isRejection(credentials.identifyBound(binding, null))).toBe(false);
    clock.now = 2_000;
    expect(credentials.identifyBound(binding, null)).toEqual({ reason: 'expired' });
  });
}); // biome-ignore format: one call a line

test('selectors that are refused do not fill the table', () => {
  const { credentials, lookUps } = setUp();
  for (let i = 0; i < 3; i++)
    expect(credentials.identify('Bearer key', 'no=sense', null)).toMatchObject({ selector: { fault: 'unknown' } });
  expect(lookUps()).toBe(3);
});

test('what is kept of a client is its credentials and what it asks for, never the head they came in', () => {
  const { credentials } = setUp();
  const count = 1_000;
  const asked = 'pool=a-pool#;session=a-key#;account=an-account#;city=a-city#,another-city#;provider=a-provider#';
  const kept: Selector[] = [];
  const before = heapInUse();
  for (let i = 0; i < count; i++) {
    // Cut out of a longer text, as a header's value is.
    const head = Buffer.from(`Bearer key|${asked.replaceAll('#', `-of-its-own-${i}`)}|${'x'.repeat(10_000)}`).toString(
      'latin1',
    );
    const [authorization, selector] = head.split('|');
    const identity = credentials.identify(authorization!, selector!, null);
    if (!isRejection(identity) && !isSelectorFault(identity.selector)) kept.push(identity.selector);
  }
  expect(kept).toHaveLength(count);
  expect((heapInUse() - before) / count).toBeLessThan(3_000);
});
