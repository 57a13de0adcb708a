/**
 * The API's door for hosts (S02–S04, S09, S19, S20): by whatever call an upstream's
 * host comes in, an odd spelling is refused by the name of its field, whole calls with
 * it, and the gateway hears of none.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, type ControlRig, startControlRig, staticSession } from '../helpers/control-rig.ts';
import { ODD_HOSTS } from '../helpers/odd-hosts.ts';

let rig: ControlRig;
let sessionId: string;
let gatewayId: string;
const call = (method: string, body: object): Promise<Answer> =>
  rig.call(`proxies.v1.Proxies/${method}`, { workspaceId: rig.made.workspaceId, ...body });

const GATEWAY = { type: 'PROVIDER_TYPE_GATEWAY', name: 'door', usernameTemplate: 'acme-{token}' };

beforeAll(async () => {
  rig = await startControlRig();
  sessionId = (await call('CreateSession', staticSession(rig, 'known'))).json.session.id;
  const endpoint = { scheme: 'http', host: 'gw.example', port: 7_000 };
  gatewayId = (await call('ConnectProvider', { ...GATEWAY, endpoint })).json.provider.id;
});
afterAll(() => rig.close());

let count = 0;
/** Every way in for a host. */
const DOORS: Readonly<Record<string, (host: string) => Promise<Answer>>> = {
  CreateSession: (host) => call('CreateSession', staticSession(rig, `t-${++count}`, { host })),
  BulkCreateSessions: (host) => {
    const { poolId, providerId } = rig.made;
    const upstreams = ['203.0.113.10', host].map((one, i) => ({
      token: `b-${++count}-${i}`,
      scheme: 'http',
      host: one,
      port: 80,
    }));
    return call('BulkCreateSessions', { poolId, providerId, sessions: upstreams });
  },
  UpdateSession: (host) => call('UpdateSession', { sessionId, host }),
  ConnectProvider: (host) => call('ConnectProvider', { ...GATEWAY, endpoint: { scheme: 'http', host, port: 7_000 } }),
  UpdateProvider: (host) =>
    call('UpdateProvider', { providerId: gatewayId, endpoint: { scheme: 'http', host, port: 1 } }),
};

describe.each(Object.entries(DOORS))('%s', (method, door) => {
  test('refuses every odd host, and changes nothing', async () => {
    const before = rig.changes.length;
    // An update may clear a session's host; a STATIC one needs it all the same.
    for (const host of ODD_HOSTS) {
      const answer = await door(host);
      expect(answer.status, `${method} ${JSON.stringify(host)}`).toBe(400);
      expect(answer.json.code).toBe('invalid_argument');
      expect(answer.json.details[0].debug.fieldViolations[0].field).toMatch(/(?:^|\.)host$/);
      if (host.length > 9) expect(answer.text).not.toContain(host);
    }
    expect(rig.changes.length).toBe(before);
  });

  test.each([
    ['[::FFFF:127.0.0.1]', '::ffff:7f00:1'],
    ['LOCALHOST.', 'localhost'],
    ['[0:0:0:0:0:0:0:1]', '::1'],
  ])('keeps %s as the one spelling that is checked: %s', async (host, canonical) => {
    const before = rig.changes.length;
    expect((await door(host)).status).toBe(200);
    expect(rig.changes.length).toBeGreaterThan(before);
    const change = rig.changes.at(-1)!;
    const endpoint =
      change.kind === 'session-put'
        ? change.session.endpoint
        : change.kind === 'provider-put'
          ? change.provider.endpoint
          : null;
    expect(endpoint?.host).toBe(canonical);
  });
});

test.each([0, 65_536, -1, '', '6379x', 80.5])('port %j is none', async (port) => {
  expect((await call('CreateSession', staticSession(rig, 'odd', { port }))).status).toBe(400);
});
