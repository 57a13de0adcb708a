import { beforeEach, describe, expect, it } from 'vitest';
import type { ProviderState, Route } from '../../../../src/core/model.ts';
import { type Asked, isRoute, type RequestSeed } from '../../../../src/core/pool-index/request-route.ts';
import { type RequestRoutes, requestRoutesOf } from '../../../../src/core/pool-index/request-routes.ts';
import { compileProviderRoute } from '../../../../src/core/pool-index/route.ts';
import type { RetiredBecause } from '../../../../src/core/pool-index/route-shelf.ts';
import { SessionLive } from '../../../../src/core/pool-index/session-live.ts';
import { gateway, provider, session } from './fixture.ts';

const NOTHING: Asked = { token: null, labels: null, ttlMs: null };
const STATE = gateway(1, {
  usernameTemplate: 'u[-{country}][-{city}]-{token}[-t-{ttl_seconds}]',
  tokenFormat: '[a-z0-9]{1,16}',
  mintTokens: true,
});

const retired: [Route, RetiredBecause][] = [];
beforeEach(() => void retired.splice(0));
const onRetired = (route: Route, because: RetiredBecause) => void retired.push([route, because]);
const routesOf = (state: ProviderState): RequestRoutes | null => requestRoutesOf(state, null, onRetired);

const seedOf = (n: number, over: Partial<RequestSeed> = {}): RequestSeed => ({ ...session(n), ...over });
const baseFor = (n: number, state = STATE): Route => compileProviderRoute(session(n), state, null)!;
const base = baseFor(1);

function routeOf(routes: RequestRoutes, asked: Partial<Asked>, of = base, seed = seedOf(1)): Route {
  const answer = routes.routeFor(of, seed, { ...NOTHING, ...asked });
  if (!isRoute(answer)) throw new Error(`invalid ${answer.invalid}`);
  return answer;
}

describe('a provider', () => {
  it.each([
    ['is STATIC', provider(1, { mintTokens: true })],
    [
      'is a rotating one that holds the account and the token only',
      gateway(1, { usernameTemplate: '{username}-{token}' }),
    ],
    ['has nothing to fill', gateway(1, { usernameTemplate: null, password: null, mintTokens: true })],
    ['has no room for the tokens it would mint', gateway(1, { usernameTemplate: 'u', mintTokens: true })],
  ])('whose requests need no route of their own: it %s', (_, state) => {
    expect(routesOf(state)).toBeNull();
  });

  it('has a mint when it asks for one, whose tokens its own templates take', () => {
    expect(routesOf({ ...STATE, mintTokens: false })?.mint).toBeNull();
    for (const tokenFormat of ['[a-z0-9]{1,16}', '[0-9]{5}', null]) {
      const routes = routesOf({ ...STATE, tokenFormat })!;
      const token = routes.mint!.mint('checkout1', () => false)!;
      expect(isRoute(routes.routeFor(base, seedOf(1), { ...NOTHING, token }))).toBe(true);
    }
  });

  it('says which labels its templates take', () => {
    const routes = routesOf(STATE)!;
    expect([routes.takes('country'), routes.takes('city'), routes.takes('isp')]).toEqual([true, true, false]);
  });
});

describe('requests', () => {
  it('that are equal have one route, any other another', () => {
    const routes = routesOf(STATE)!;
    const variants: Partial<Asked>[] = [
      { token: 'a' },
      { token: 'b' },
      { labels: { country: ['us'] } },
      { labels: { country: ['us'] }, token: 'a' },
      { labels: { city: ['us'] } },
      { labels: { country: ['us'], city: ['us'] } },
      { ttlMs: 1_000 },
      { ttlMs: 2_000 },
    ];
    const made = variants.map((asked) => routeOf(routes, asked));
    expect(new Set(made).size).toBe(variants.length);
    for (const [i, asked] of variants.entries()) expect(routeOf(routes, structuredClone(asked))).toBe(made[i]);
    expect([routes.size, retired]).toEqual([variants.length, []]);
  });

  it('that differ in what the provider is not told share a route', () => {
    const routes = routesOf(STATE)!;
    const route = routeOf(routes, { labels: { country: ['us'] }, ttlMs: 1_000 });
    expect(routeOf(routes, { labels: { country: ['us', 'de'], isp: ['x'] }, ttlMs: 999 })).toBe(route);
  });

  it('that ask for nothing have the session’s own, unless its labels are to be told', () => {
    const routes = routesOf(STATE)!;
    expect(routeOf(routes, {})).toBe(base);
    const labelled = seedOf(1, { labels: { country: 'de' } });
    expect(routeOf(routes, {}, base, labelled)).toBe(routeOf(routes, { labels: { country: ['de'] } }));
  });

  it('that cannot be told are refused and not remembered', () => {
    const routes = routesOf(STATE)!;
    expect(routes.routeFor(base, seedOf(1), { ...NOTHING, labels: { city: ['a b'] } })).toEqual({ invalid: 'city' });
    // It reads as the value of a country and a token of another request would.
    routeOf(routes, { labels: { country: ['us'] }, token: 'a' });
    expect(routes.routeFor(base, seedOf(1), { ...NOTHING, token: 'us  a' })).toEqual({ invalid: 'session' });
    expect(routes.size).toBe(1);
  });

  it('that are foreseen get what they would be served with, and nothing is kept', () => {
    const routes = routesOf(STATE)!;
    const asked: Asked = { token: 'a', labels: { country: ['us'] }, ttlMs: 1_000 };
    const foreseen = routes.foresee(base, seedOf(1), asked) as Route;
    expect([routes.size, retired]).toEqual([0, []]);
    expect(foreseen.authorization).toBe(routeOf(routes, asked).authorization);
    expect(routes.foresee(base, seedOf(1), NOTHING)).toBe(base);
    expect(routes.foresee(base, seedOf(1), { ...NOTHING, labels: { city: ['a b'] } })).toEqual({ invalid: 'city' });
    expect(routes.foresee(base, seedOf(1), { ...NOTHING, token: 'A' })).toEqual({ invalid: 'session' });
  });

  it('of two sessions, or of a session before and after a change, share nothing', () => {
    const routes = routesOf(STATE)!;
    const route = routeOf(routes, { token: 'a' });
    expect(routeOf(routes, { token: 'a' }, baseFor(2), seedOf(2))).not.toBe(route);
    expect(routeOf(routes, { token: 'a' }, { ...base })).not.toBe(route);
  });

  it('find how their session fares, once that is known', () => {
    const routes = routesOf(STATE)!;
    const own = baseFor(3);
    const route = routeOf(routes, { token: 'a' }, own);
    expect(route.live).toBeNull();
    own.live = new SessionLive({ loadChanged: () => undefined });
    expect(routeOf(routes, { token: 'a' }, own).live).toBe(own.live);
  });
});

describe('a route is retired', () => {
  it('when 10,000 others were used after it, and told of once', () => {
    const routes = routesOf(STATE)!;
    const first = routeOf(routes, { token: 'first' });
    const second = routeOf(routes, { token: 'second' });
    for (let n = 0; n < 9_998; n++) routeOf(routes, { token: `t${n}` });
    expect([routeOf(routes, { token: 'first' }), retired]).toEqual([first, []]);
    routeOf(routes, { token: 'last' });
    expect(retired).toEqual([[second, 'evicted']]);
    expect([routes.size, routeOf(routes, { token: 'first' })]).toEqual([10_000, first]);
    expect(routeOf(routes, { token: 'second' })).not.toBe(second);
  });

  it('with 256 later ones when its token was fresh, and takes no room from others', () => {
    const routes = routesOf(STATE)!;
    const kept = routeOf(routes, { token: 'a' });
    const fresh = (n: number) => routes.freshRoute(base, seedOf(1), { ...NOTHING, token: `f${n}` }) as Route;
    const first = fresh(0);
    for (let n = 1; n <= 256; n++) fresh(n);
    expect(retired).toEqual([[first, 'evicted']]);
    expect([routes.size, routeOf(routes, { token: 'a' })]).toEqual([257, kept]);
    // In a small format chance brings one back: it is the same route, and still told of once.
    expect(fresh(256)).toBe(fresh(256));
    expect(routes.freshRoute(base, seedOf(1), { ...NOTHING, token: 'A' })).toEqual({ invalid: 'session' });
    routes.retireAll();
    expect(new Set(retired.map(([route]) => route)).size).toBe(retired.length);
  });

  it('with its session’s own, and no other', () => {
    const routes = routesOf(STATE)!;
    const [a, b] = [routeOf(routes, { token: 'a' }), routeOf(routes, { token: 'b' })];
    const other = routeOf(routes, { token: 'a' }, baseFor(2), seedOf(2));
    const fresh = routes.freshRoute(base, seedOf(1), { ...NOTHING, token: 'c' });
    routes.retire(base);
    expect(retired).toEqual([a, b, fresh].map((route) => [route, 'changed']));
    expect(retired.map(([route]) => route)).not.toContain(other);
    routes.retire(base);
    expect([retired.length, routes.size]).toEqual([3, 1]);
  });

  it.each<[string, Partial<ProviderState>]>([
    ['templates', { usernameTemplate: 'v[-{country}]-{token}' }],
    ['account', { password: 'other' }],
    ['endpoint', { endpoint: { scheme: 'http', host: 'gw.example', port: 7_001 } }],
    ['token format', { tokenFormat: '[a-z]{4}' }],
    ['minting', { mintTokens: false }],
    ['spelling', { parameters: [{ placeholder: 'country', format: '[A-Z]{2}' }] }],
    ['enabling', { enabled: false }],
  ])('with all others when the provider changes its %s', (_, change) => {
    const routes = routesOf(STATE)!;
    const route = routeOf(routes, { labels: { country: ['us'] } });
    const next = requestRoutesOf({ ...STATE, ...change }, routes, onRetired)!;
    expect(next).not.toBe(routes);
    expect(retired).toEqual([[route, 'changed']]);
    expect([routes.made(route), next.made(route), next.made(base)]).toEqual([true, false, false]);
  });

  it('not when nothing changes that it was made of', () => {
    const routes = routesOf(STATE)!;
    const route = routeOf(routes, { token: 'a' });
    const next = requestRoutesOf(structuredClone({ ...STATE, name: 'renamed' }), routes, onRetired)!;
    expect([routeOf(next, { token: 'a' }), retired]).toEqual([route, []]);
  });

  it('when its provider needs no such routes any more', () => {
    const routes = routesOf(STATE)!;
    const route = routeOf(routes, { token: 'a' });
    expect(requestRoutesOf(gateway(1), routes, onRetired)).toBeNull();
    expect(retired).toEqual([[route, 'changed']]);
  });
});
