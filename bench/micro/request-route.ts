/**
 * Time of a rotating session's route for one request: of a provider that has nothing to
 * fill, kept (a sticky key in use, with and without a country and a life), made anew (the
 * first sight of a key, a fresh token). Those made anew have no goal: to a new identity no
 * connection is open, so a dial follows. Each row is the median over rounds of the median
 * batch; p99 is over single calls, the clock's own cost included. What is sent is checked
 * before anything is timed.
 */
import { randomFillSync } from 'node:crypto';
import type { LabelFilter } from '../../src/core/label-filter.ts';
import type { PoolId, ProviderId, ProviderState, Route, SessionId, WorkspaceId } from '../../src/core/model.ts';
import { isRoute } from '../../src/core/pool-index/request-route.ts';
import { type RequestRoutes, requestRoutesOf } from '../../src/core/pool-index/request-routes.ts';
import { compileProviderRoute } from '../../src/core/pool-index/route.ts';
import { timeCalls } from '../lib/call-times.ts';
import type { MicroOptions, Row } from '../lib/row.ts';
import { printRows, rowOf } from '../lib/row.ts';

/** Fewer than the routes that are kept. */
const KEYS = 5_000;
const PROVIDER: ProviderState = {
  id: '0190c000-0000-7000-8000-000000000001' as ProviderId,
  workspaceId: '0190c000-0000-7000-8000-000000000002' as WorkspaceId,
  name: null,
  type: 'gateway',
  enabled: true,
  endpoint: { scheme: 'http', host: 'gw.example', port: 7_000 },
  usernameTemplate: 'customer-{username}[-cc-{country}][-city-{city}]-sessid-{token}[-sesstime-{ttl_minutes}]',
  passwordTemplate: null,
  password: 'acme:pw',
  tokenFormat: '[A-Za-z0-9]{1,32}',
  mintTokens: true,
  parameters: [
    { placeholder: 'country', format: '[A-Z]{2}' },
    { placeholder: 'city', format: '[a-z_]{1,64}' },
    { placeholder: 'ttl_minutes', format: '[0-9]{1,5}', range: [1, 1_440] },
  ],
};
const SEED = {
  id: '0190c000-0000-7000-8000-000000000003' as SessionId,
  poolId: '0190c000-0000-7000-8000-000000000004' as PoolId,
  token: 'own',
  localAddress: null,
  labels: null,
};
const US: LabelFilter = { country: ['us'], city: ['new_york'] };

interface Subject {
  readonly id: string;
  readonly name: string;
  /** Whether the goal of a sticky hit is its goal. */
  readonly isHit: boolean;
  pick(i: number): unknown;
}

/** Measures each way to a route. */
export async function run({ quick }: MicroOptions): Promise<Row[]> {
  const base = baseRoute(PROVIDER);
  const routes = routesOf(PROVIDER);
  if (routes === null) throw new Error('a provider that mints needs routes of its requests');
  check(routes, base);
  return subjects(routes, base).flatMap((subject) => measure(subject, quick ? 3 : 7));
}

function baseRoute(provider: ProviderState): Route {
  const base = compileProviderRoute(SEED, provider, null);
  if (base === null) throw new Error('a provider with an endpoint has a route');
  return base;
}

function routesOf(provider: ProviderState): RequestRoutes | null {
  return requestRoutesOf(provider, null, () => {});
}

function subjects(routes: RequestRoutes, base: Route): Subject[] {
  const plain = { ...PROVIDER, usernameTemplate: 'customer-{username}-sessid-{token}', mintTokens: false };
  const none = routesOf(plain);
  const free = (): boolean => false;
  const mint = routes.mint!;
  // Keys are built anew from bytes, as they come from a request head: their hash is not cached.
  const keys = Array.from({ length: KEYS }, (_, i) => Buffer.from(`checkout-${i}`).toString('latin1'));
  const routed = (key: string, labels: LabelFilter | null, ttlMs: number | null) =>
    routes.routeFor(base, SEED, { token: mint.mint(key, free), labels, ttlMs });
  let fresh = 0;
  return [
    { id: 'none', name: 'nothing to fill', isHit: true, pick: () => none?.routeFor(base, SEED, NOTHING) ?? base },
    { id: 'kept', name: 'kept, sticky key', isHit: true, pick: (i) => routed(keys[i]!, null, null) },
    { id: 'kept.asked', name: 'kept, country, city, life', isHit: true, pick: (i) => routed(keys[i]!, US, 600_000) },
    { id: 'first', name: 'first sight of a key', isHit: false, pick: () => routed(`new-${fresh++}`, US, 600_000) },
    {
      id: 'fresh',
      name: 'fresh token',
      isHit: false,
      pick: () => routes.freshRoute(base, SEED, { ...NOTHING, labels: US, token: mint.fresh(randomFillSync, free)! }),
    },
  ];
}

const NOTHING = { token: null, labels: null, ttlMs: null };

function measure({ id, name, isHit, pick }: Subject, rounds: number): Row[] {
  const { medians, tails } = timeCalls(pick, KEYS, rounds);
  return [
    rowOf(`request-route.${id}`, name, 'ns', medians, isHit ? { id: 'I1', atMost: 1_300 } : undefined),
    rowOf(`request-route.${id}.p99`, `${name}, p99`, 'ns', tails, isHit ? { id: 'I1', atMost: 5_000 } : undefined),
  ];
}

function check(routes: RequestRoutes, base: Route): void {
  const asked = { token: routes.mint!.mint('checkout', () => false), labels: US, ttlMs: 600_000 };
  const route = routes.routeFor(base, SEED, asked);
  if (!isRoute(route) || routes.routeFor(base, SEED, asked) !== route)
    throw new Error('equal requests have two routes');
  const sent = Buffer.from(route.authorization!.slice('Basic '.length), 'base64').toString();
  if (sent !== `customer-acme-cc-US-city-new_york-sessid-${asked.token}-sesstime-10:pw`) {
    throw new Error(`${sent} is not what was asked for`);
  }
}

if (import.meta.main)
  printRows(await run({ quick: process.argv.includes('--quick') }), process.argv.includes('--json'));
