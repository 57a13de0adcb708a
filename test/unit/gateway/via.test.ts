import { expect, test } from 'vitest';
import { Via } from '../../../gateway/via.ts';

test('a line has the version that was received, and a name of this run', () => {
  expect(new Via('0123').line(0)).toBe('Via: 1.0 sallyport-0123\r\n');
  expect(new Via('0123').line(1)).toBe('Via: 1.1 sallyport-0123\r\n');
});

test('nobody can have a name that was never sent', () => {
  const via = new Via('0123');
  expect(via.isLoop('Via: 1.1 sallyport-0123\r\n')).toBe(false);
  via.line(1);
  expect(via.isLoop('Via: 1.1 sallyport-0123\r\n')).toBe(true);
});

test.each([
  ['Via: 1.1 sallyport-0123\r\n', true],
  ['A: b\r\nVIA:1.0 fred , HTTP/1.1\tsallyport-0123 (x, y)\r\n', true],
  ['Via: 1.1 a\r\nvia: 1.1 sallyport-0123\r\n', true],
  ['X-Via: 1.1 sallyport-0123\r\n', false],
  ['A: via: 1.1 sallyport-0123\r\n', false],
  ['Via: 1.1 a (sallyport-0123)\r\n', false],
  ['Via: sallyport-0123 a\r\n', false],
  ['Via: 1.1 sallyport-01234\r\n', false],
  ['Via: 1.1 xsallyport-0123\r\n', false],
  ['Via: 1.1 sallyport-0123:80\r\n', false],
  ['', false],
])('%j', (lines, expected) => {
  const via = new Via('0123');
  via.line(1);
  expect(via.isLoop(lines)).toBe(expected);
});
