/** `docs/selector.md`, held to what the username language is: its keys, its examples, and what it says of errors. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  isSelectorFault,
  parseSelector,
  plainSelector,
  type SelectorFault,
  type SelectorKey,
} from '../../src/core/selector.ts';
import { nameOfFault, sentenceOfFault } from '../../src/core/selector-fault.ts';

const PAGE = readFileSync(new URL('../../docs/selector.md', import.meta.url), 'utf8');

/** Rows of the first table of a section, or of the introduction: cells as text. */
function rowsOf(heading: string): string[][] {
  const section = PAGE.split(/^## /m).find((one) => one.startsWith(heading)) ?? '';
  const lines = section.split('\n').filter((line) => line.startsWith('|'));
  return lines.slice(2).map((line) => line.slice(2, -2).split(' | '));
}

/** What stands in backticks. */
const namesIn = (text = ''): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);

const VALUES: Record<SelectorKey, string> = {
  session: 'a',
  account: 'a',
  country: 'a',
  city: 'a',
  isp: 'a',
  type: 'a',
  provider: 'a',
  ttl: '5',
  strict: 'true',
};

test('its table has every key of the language, and aliases that are the same key', () => {
  const keys = rowsOf('Keys').flatMap(([names]) => namesIn(names));
  expect(keys).toEqual(Object.keys(VALUES));
  for (const [names, aliases] of rowsOf('Keys')) {
    const [key = ''] = namesIn(names);
    const value = VALUES[key as SelectorKey];
    expect(parseSelector(`x-${key}-${value}`, null)).not.toMatchObject({ pool: `x-${key}-${value}` });
    for (const alias of namesIn(aliases))
      expect(parseSelector(`x-${alias}-${value}-${key}-${value}`, null)).toEqual({ fault: 'doubled', key });
  }
  const aliases = rowsOf('Keys').flatMap(([, also]) => namesIn(also));
  expect(aliases).toEqual(['sessid', 'cc', 'lifetime', 'sessionduration', 'sesstime']);
});

describe('examples', () => {
  const usernames = rowsOf('# What a username').flatMap(([username]) => namesIn(username));

  test('are there', () => expect(usernames.length).toBeGreaterThan(5));

  test.each(usernames)('%s is one that is understood', (username) => {
    expect(isSelectorFault(parseSelector(username, null))).toBe(false);
    expect(PAGE).toContain(`| \`${username}\``);
  });

  test('of the text mean what it says', () => {
    expect(parseSelector('shop-session-a-b-c', null)).toEqual(plainSelector('shop', 'a-b-c'));
    expect(parseSelector('shop-colour-red', null)).toEqual(plainSelector('shop-colour-red', null));
    expect(parseSelector('shop-provider-a%2Dttl%2D5', null)).toMatchObject({ provider: 'a-ttl-5' });
    const [, header = ''] = /^Proxy-Selector: (.+)$/m.exec(PAGE) ?? [];
    expect(parseSelector('', header)).toEqual({
      ...plainSelector('residential', 'checkout1'),
      labels: { country: ['ca', 'us'] },
    });
  });
});

test('each sentence of an error is told as on the page, and logged by that name', () => {
  const faults: SelectorFault[] = [
    { fault: 'invalid', key: 'ttl' },
    { fault: 'invalid', key: 'pool' },
    { fault: 'doubled', key: 'session' },
    { fault: 'unknown', key: null },
    { fault: 'invalid', key: null },
  ];
  expect(
    rowsOf('What an error says').map(([sentence, log]) => [namesIn(sentence)[0], namesIn(log)[0] ?? null]),
  ).toEqual(faults.map((fault) => [sentenceOfFault(fault), nameOfFault(fault)]));
});
