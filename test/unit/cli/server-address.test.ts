/** Where commands go, and with which key: never with one to a server that it was not made for. */
import { describe, expect, test } from 'vitest';
import { findServer } from '../../../src/cli/server-address.ts';

const OWN = { controlUrl: 'http://127.0.0.1:7070', apiKey: 'sp_live_own', workspaceId: 'w' };

/** A data directory that holds this. */
function find(env: Record<string, string>, bootstrap: object | null = OWN) {
  return findServer(env, './data', (path) => {
    if (bootstrap === null || path !== 'data/bootstrap.json') throw new Error('ENOENT');
    return JSON.stringify(bootstrap);
  });
}

test('without a word they go to the server of the data directory, with its key', () => {
  expect(find({})).toEqual({ url: OWN.controlUrl, apiKey: OWN.apiKey, bootstrap: OWN });
  expect(find({ SALLYPORT_URL: '', SALLYPORT_API_KEY: '' })).toMatchObject({ apiKey: OWN.apiKey });
});

describe('where a URL is named and no key', () => {
  test.each(['http://127.0.0.1:7070', 'http://127.0.0.1:7070/', 'http://localhost:7070', 'http://[::1]:7070'])(
    '%s is the server of the data directory',
    (url) => {
      expect(find({ SALLYPORT_URL: url })).toEqual({
        url: url.replace(/\/$/, ''),
        apiKey: OWN.apiKey,
        bootstrap: OWN,
      });
    },
  );

  test.each([
    'http://127.0.0.1:7071',
    'https://127.0.0.1:7070',
    'http://gateway.example:7070',
    'http://127.0.0.1.example:7070',
    'http://127.0.0.1:7070@gateway.example/',
  ])('%s is another one, which does not get the key', (url) => {
    const sentence = find({ SALLYPORT_URL: url });
    expect(sentence).toContain('set SALLYPORT_API_KEY; that in ./data is for http://127.0.0.1:7070');
    expect(sentence).not.toContain(OWN.apiKey);
  });

  test('a server that listens everywhere is the one of this machine', () => {
    const everywhere = { ...OWN, controlUrl: 'http://0.0.0.0:7070' };
    expect(find({ SALLYPORT_URL: 'http://127.0.0.1:7070' }, everywhere)).toMatchObject({ apiKey: OWN.apiKey });
    expect(find({ SALLYPORT_URL: 'http://10.0.0.1:7070' }, everywhere)).toContain('set SALLYPORT_API_KEY');
  });

  test('there is nothing to go with where there is no data directory', () => {
    expect(find({ SALLYPORT_URL: 'http://a.example' }, null)).toBe(
      'the key for http://a.example is not known: set SALLYPORT_API_KEY',
    );
  });
});

test('who names a key, means it, and knows nothing of what belongs to another one', () => {
  const key = { SALLYPORT_API_KEY: 'sp_live_other' };
  expect(find(key)).toEqual({ url: OWN.controlUrl, apiKey: 'sp_live_other', bootstrap: null });
  const elsewhere = { ...key, SALLYPORT_URL: 'http://gateway.example' };
  expect(find(elsewhere)).toEqual({ url: 'http://gateway.example', apiKey: 'sp_live_other', bootstrap: null });
  expect(find({ SALLYPORT_URL: OWN.controlUrl, SALLYPORT_API_KEY: OWN.apiKey })).toMatchObject({ bootstrap: OWN });
});

test.each(['sp_live_\u2603', 'sp live', 'sp_live_x\n'])('%j is no key, and is sent nowhere', (key) => {
  expect(find({ SALLYPORT_API_KEY: key })).toContain('SALLYPORT_API_KEY is no API key');
});

test('what is missing is said', () => {
  expect(find({}, null)).toContain('set SALLYPORT_URL and SALLYPORT_API_KEY');
  expect(find({ SALLYPORT_URL: 'localhost:7070' })).toBe(
    'localhost:7070 is no URL of a server, such as http://127.0.0.1:7070',
  );
});
