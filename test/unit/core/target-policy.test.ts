/** A pool's policy on targets, compiled: what it denies of a request, and of an address that a name led to. */
import { expect, test } from 'vitest';
import { OPEN_POLICY, type PoolPolicyState } from '../../../src/core/model.ts';
import { compileTargetPolicy, deniesAddress } from '../../../src/core/target-policy.ts';

function denied(policy: Partial<PoolPolicyState>, host: string, port = 443, tunnel = true): boolean {
  return compileTargetPolicy({ ...OPEN_POLICY, ...policy })!.denies({ host, port }, tunnel);
}

test('a pool that asks for nothing has none', () => {
  expect(compileTargetPolicy(OPEN_POLICY)).toBeNull();
  expect(compileTargetPolicy({ ...OPEN_POLICY, quiet: true, maxTunnelsPerSession: 5 })).toBeNull();
});

test('what is denied is denied also where it is allowed', () => {
  const policy = { allow: ['example.com'], deny: ['secret.example.com', ':25'] };
  expect(denied(policy, 'www.example.com')).toBe(false);
  expect(denied(policy, 'secret.example.com')).toBe(true);
  expect(denied(policy, 'a.secret.example.com')).toBe(true);
  expect(denied(policy, 'www.example.com', 25)).toBe(true);
});

test('once something is allowed, all else is denied, and names do not pass for addresses', () => {
  expect(denied({ allow: ['example.com'] }, 'example.org')).toBe(true);
  expect(denied({ allow: ['example.com'] }, 'notexample.com')).toBe(true);
  expect(denied({ allow: ['203.0.113.0/24'] }, '203.0.113.9')).toBe(false);
  expect(denied({ allow: ['203.0.113.0/24'] }, 'example.com')).toBe(true);
  expect(denied({ deny: ['10.0.0.0/8'] }, '::ffff:a00:1')).toBe(true);
});

test('an address inside another is denied with it', () => {
  const hosts = ['64:ff9b::a00:1', '2002:a00:1::', '::10.0.0.1', '2001:db8::a00:1', '64:ff9b::b00:1'];
  expect(hosts.map((host) => denied({ deny: ['10.0.0.0/8'] }, host))).toEqual([true, true, true, false, false]);
});

test('ports are a matter of tunnels', () => {
  const policy = { connectPorts: [443, 8443] };
  expect([443, 8443, 80, 25].map((port) => denied(policy, 'a.test', port))).toEqual([false, false, true, true]);
  expect(denied(policy, 'a.test', 80, false)).toBe(false);
});

test('of an address that a name led to, only what is denied speaks', () => {
  const targets = compileTargetPolicy({ ...OPEN_POLICY, allow: ['example.com'], deny: ['10.0.0.0/8'] });
  expect(deniesAddress({ targets }, '10.1.2.3', 443)).toBe(true);
  expect(deniesAddress({ targets }, '93.184.215.14', 443)).toBe(false);
  expect(deniesAddress({ targets: null }, '10.1.2.3', 443)).toBe(false);
  expect(deniesAddress(undefined, '10.1.2.3', 443)).toBe(false);
});

test('an entry that cannot be read stops the pool rather than being passed over', () => {
  expect(() => compileTargetPolicy({ ...OPEN_POLICY, deny: ['127.1'] })).toThrow(/must be a host name/);
});
