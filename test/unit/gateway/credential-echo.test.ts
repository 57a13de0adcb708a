import { expect, test } from 'vitest';
import { CredentialEcho } from '../../../gateway/credential-echo.ts';
import type { ReplyHead } from '../../../gateway/http1/reply-head.ts';
import type { Route } from '../../../src/core/model.ts';

const PASSWORD = 'correct-horse-battery';

function routeOf(pair: string | null, tunnelled = false): Route {
  const authorization = pair === null ? null : `Basic ${Buffer.from(pair).toString('base64')}`;
  return { authorization, tunnelled } as Route;
}

function holds(route: Route, text: string): boolean {
  const echo = new CredentialEcho();
  const inLines = echo.isIn(route, { reason: '', endToEnd: `A: b\r\nX: ${text}\r\n` } as ReplyHead);
  expect(echo.isIn(route, { reason: text, endToEnd: '' } as ReplyHead)).toBe(inLines);
  return inLines;
}

test.each([
  ['its base64', Buffer.from(`user:${PASSWORD}`).toString('base64'), true],
  ['its base64 without padding', Buffer.from(`user:${PASSWORD}`).toString('base64').replace(/=/g, ''), true],
  ['the pair in clear', `http://user:${PASSWORD}@host/`, true],
  ['a long password alone', `password is ${PASSWORD}.`, true],
  ['the username alone', 'user', false],
  ['a part of the password', 'correct-horse', false],
])('a reply that says %s', (_, text, expected) => {
  expect(holds(routeOf(`user:${PASSWORD}`), text)).toBe(expected);
});

test('a short password may stand anywhere, and counts with its username only', () => {
  expect(holds(routeOf('user:password'), 'Location: /password/reset')).toBe(false);
  expect(holds(routeOf('user:password'), 'user:password')).toBe(true);
});

test.each([
  ['too short to tell', routeOf('a:b'), 'YTpi a:b'],
  ['empty', routeOf(':'), 'Og== :'],
  ['none', routeOf(null), 'null'],
  ['of a tunnel, where nobody was told it', routeOf(`user:${PASSWORD}`, true), `user:${PASSWORD}`],
])('a credential that is %s is not looked for', (_, route, text) => {
  expect(holds(route, text)).toBe(false);
  expect(new CredentialEcho().watch(route)?.sees(Buffer.from(text)) ?? false).toBe(false);
});

test('octets of UTF-8 in it are found as they are sent', () => {
  expect(holds(routeOf('üser:pässwörd'), Buffer.from('üser:pässwörd').toString('latin1'))).toBe(true);
});

test('in a body it is seen at every split, up to the octets that are looked at', () => {
  const body = Buffer.from(`<p>Basic ${Buffer.from(`user:${PASSWORD}`).toString('base64')}</p>`);
  for (let at = 0; at <= body.length; at++) {
    const watch = new CredentialEcho().watch(routeOf(`user:${PASSWORD}`))!;
    expect([watch.sees(body.subarray(0, at)), watch.sees(body.subarray(at))], `split at ${at}`).toContain(true);
  }
  for (const [before, expected] of [
    [65_535, true],
    [65_536, false],
  ] as const) {
    const watch = new CredentialEcho().watch(routeOf(`user:${PASSWORD}`))!;
    expect(watch.sees(Buffer.alloc(before))).toBe(false);
    expect(watch.sees(body)).toBe(expected);
  }
});
