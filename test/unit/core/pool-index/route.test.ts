import { describe, expect, it } from 'vitest';
import { compileRoute } from '../../../../src/core/pool-index/route.ts';
import { gateway, localExit, provider, providerId, session, sessionId } from './fixture.ts';

const decoded = (authorization: string | null | undefined): string | null =>
  authorization === null || authorization === undefined
    ? null
    : Buffer.from(authorization.replace(/^Basic /, ''), 'base64').toString('utf8');

describe('compiling a route', () => {
  it('takes a STATIC endpoint and credentials from the session, as UTF-8', () => {
    const route = compileRoute(session(1, { username: 'jürgen', password: 'pä:ss' }), provider(1), null);
    expect(route).toMatchObject({ scheme: 'http', host: '10.0.0.1', port: 8_080, tunnelled: false });
    expect(route).toMatchObject({ sessionId: sessionId(1), providerId: providerId(1) });
    expect(route?.authorization).toBe(`Basic ${Buffer.from('jürgen:pä:ss').toString('base64')}`);
  });

  it('sends no credentials where a STATIC session has none, and an empty password for a bare username', () => {
    expect(compileRoute(session(1, { username: null, password: null }), provider(1), null)?.authorization).toBeNull();
    expect(decoded(compileRoute(session(1, { password: null }), provider(1), null)?.authorization)).toBe('user1:');
  });

  it('has no route for a STATIC session, a rotating provider or a LOCAL exit without an endpoint', () => {
    expect(compileRoute(session(1, { endpoint: null }), provider(1), null)).toBeNull();
    expect(compileRoute(session(1), gateway(1, { endpoint: null }), null)).toBeNull();
    expect(compileRoute(session(1), provider(1, { type: 'local' }), null)).toBeNull();
  });

  it.each([
    [
      'the token into the username, all of the credential as password',
      'customer-{token}',
      null,
      'a:b',
      'customer-token1:a:b',
    ],
    [
      'a credential split at its first colon once {username} is asked for',
      '{username}-s-{token}',
      null,
      'acme:p:w',
      'acme-s-token1:p:w',
    ],
    ['an asking password template alike', 'x', '{username}/{password}/{token}', 'acme:pw', 'x:acme/pw/token1'],
    ['a credential without a colon as password alone', '{username}-{token}', '{password}', 'pw', '-token1:pw'],
    ['unknown placeholders as empty text', 'u-{country}-{token}{ttl_minutes}', null, 'pw', 'u--token1:pw'],
    ['the credential itself where there is no username template', null, null, 'acme:pw', 'acme:pw'],
    ['values once: a placeholder inside one is text', '{username}', null, '{token}:{password}', '{token}:{password}'],
    ['braces that are no placeholder as they are', '{Token}-{}-{token}', null, 'pw', '{Token}-{}-token1:pw'],
  ])('renders %s', (_, usernameTemplate, passwordTemplate, password, expected) => {
    const route = compileRoute(session(1), gateway(1, { usernameTemplate, passwordTemplate, password }), null);
    expect(route).toMatchObject({ scheme: 'http', host: 'gw.example', port: 7_000 });
    expect(decoded(route?.authorization)).toBe(expected);
  });

  it('sends no credentials to a rotating provider that has neither templates nor a credential', () => {
    const bare = gateway(1, { usernameTemplate: null, password: null });
    expect(compileRoute(session(1), bare, null)?.authorization).toBeNull();
  });

  it('leads a LOCAL session to the embedded exit, through CONNECT, named by id and address', () => {
    const route = compileRoute(session(1, { localAddress: '192.0.2.7' }), provider(1, { type: 'local' }), localExit);
    expect(route).toMatchObject({ scheme: 'http', host: '127.0.0.1', port: 9_999, tunnelled: true });
    expect(route?.authorization).toBe(`Basic local:${sessionId(1)}:192.0.2.7`);
  });
});
