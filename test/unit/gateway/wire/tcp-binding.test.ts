import { createServer } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { findTcpBinding } from '../../../../gateway/wire/tcp-binding.ts';

type Binding = Record<string, unknown>;
const host = process as unknown as { binding: (name: string) => Binding };
const real = host.binding.bind(process);

afterEach(() => {
  vi.restoreAllMocks();
});

test('the handles of this runtime are as we know them', () => {
  expect(findTcpBinding()).not.toBe(null);
});

test.each<[string, (name: string) => Binding]>([
  [
    'is out of reach',
    () => {
      throw new Error('Access to this API has been restricted');
    },
  ],
  ['is empty', () => ({})],
  ['has no class for requests', (name) => ({ ...real(name), TCPConnectWrap: undefined, WriteWrap: undefined })],
  ['keeps figures elsewhere', (name) => ({ ...real(name), streamBaseState: new Float64Array(8) })],
  ['has no place for a figure', (name) => ({ ...real(name), kLastWriteWasAsync: undefined })],
  ['has handles that do less', (name) => ({ ...real(name), TCP: class {} })],
])('a binding that %s is none', (_, binding) => {
  vi.spyOn(host, 'binding').mockImplementation(binding);
  expect(findTcpBinding()).toBe(null);
});

test('a runtime without bindings has none', () => {
  const { binding } = host;
  Object.assign(host, { binding: undefined });
  try {
    expect(findTcpBinding()).toBe(null);
  } finally {
    host.binding = binding;
  }
});

test('what is no listening TCP server has no handle to take over', () => {
  expect(findTcpBinding()!.listenerOf(createServer())).toBe(null);
});
