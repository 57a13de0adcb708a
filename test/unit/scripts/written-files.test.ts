/** Files that scripts write are what the scripts would write now. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Accounts } from '../../../control/gen/accounts/v1/accounts_pb.ts';
import { Proxies } from '../../../control/gen/proxies/v1/proxies_pb.ts';
import { API_EXAMPLES } from '../../../scripts/api-examples.ts';
import { apiPage } from '../../../scripts/write-api.ts';
import { methodJsonSource } from '../../../scripts/write-method-json.ts';

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

test('docs/api.md says what the protos and their comments say', () => {
  expect(read('docs/api.md')).toBe(apiPage());
});

test('client/method-json.ts has every method', () => {
  expect(read('client/method-json.ts')).toBe(methodJsonSource());
});

test('every method has an example, and there is no example of a method that is gone', () => {
  const paths = [...Accounts.methods, ...Proxies.methods].map(({ parent, name }) => `${parent.typeName}/${name}`);
  expect([...API_EXAMPLES.keys()]).toEqual(paths);
});
