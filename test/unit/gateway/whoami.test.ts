import { expect, test } from 'vitest';
import type { Exchange } from '../../../gateway/exchange.ts';
import type { RequestHead } from '../../../gateway/http1/request-head.ts';
import { isForWhoami, whoamiPage } from '../../../gateway/whoami.ts';
import { OPEN_POLICY } from '../../../src/core/model.ts';
import { asking, pick, poolOf, StillClock } from '../core/pool-index/fixture.ts';

const target = { host: 'whoami.sallyport.test', port: 80, path: '/json' };
const head = { method: 'GET', target, endToEnd: '' } as RequestHead;
const clock = new StillClock();
const { pool } = poolOf(1, { clock });
pick(pool, 'basket');
const UNTIL = new Date(clock.nowMs() + OPEN_POLICY.stickyIdleMs).toISOString();
const exchange = {
  id: 'r-1',
  kind: 'forward',
  target,
  client: '127.0.0.1:5',
  key: { id: 'k', workspaceId: 'w', hash: 'secret' },
  identifiedBy: 'credentials',
  selector: asking('basket'),
  budget: { pool },
  route: { sessionId: 's', host: 'secret', authorization: 'secret', credentials: { username: 'secret' } },
  accountName: 'shop-1',
  hasStickyKey: true,
  chosenBy: 'sticky',
} as unknown as Exchange;

test('an account and the time until which an exit is kept are told, and no secret is', () => {
  const { body } = whoamiPage(head, exchange);
  expect(JSON.parse(body)).toMatchObject({ account: 'shop-1', until: UNTIL, stickyKey: true });
  expect(body).not.toContain('secret');
  const text = whoamiPage({ ...head, target: { ...target, path: '/' } }, exchange).body;
  expect(text).toContain('\naccount: shop-1\n');
  expect(text.endsWith(`\nuntil: ${UNTIL}\n`)).toBe(true);
});

test.each([
  ['another name', { target: { ...target, host: 'whoami.sallyport.test.example' } }],
  ['another port', { target: { ...target, port: 443 } }],
  ['a tunnel', { kind: 'connect' }],
  ['no target', { target: null }],
])('%s is none of its own', (_, fields) => {
  expect(isForWhoami(exchange)).toBe(true);
  expect(isForWhoami({ ...exchange, ...fields } as Exchange)).toBe(false);
});

test.each([
  ['Accept: application/json\r\n', 'application/json'],
  ['X: y\r\nACCEPT:text/html,APPLICATION/JSON\r\n', 'application/json'],
  ['Accept: text/*\r\nContent-Type: application/json\r\n', 'text/plain'],
  ['X-Accept: application/json\r\n', 'text/plain'],
  ['', 'text/plain'],
])('the lines %j are answered in %s', (endToEnd, type) => {
  expect(whoamiPage({ ...head, target: { ...target, path: '' }, endToEnd }, exchange).type).toBe(type);
});
