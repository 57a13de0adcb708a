/** When discoveries are due, and how one that nobody goes on with ends. */
import { expect, test } from 'vitest';
import { DiscoveryStatus } from '../../../../control/gen/proxies/v1/proxies_pb.ts';
import { isDue } from '../../../../control/providers/discovery.ts';
import {
  discoveryMessage,
  ended,
  finishedAtMsOf,
  INTERRUPTED,
  interrupted,
  running,
} from '../../../../control/providers/discovery-state.ts';
import { patiently } from '../../../../control/providers/patience.ts';
import { VendorError } from '../../../../control/providers/vendor-error.ts';
import { providerRecord } from '../../../helpers/store-rig.ts';

const HOUR_MS = 3_600_000;
const COUNTS = { found: 9, created: 5, updated: 1, disabled: 2, enabled: 3 };
const provider = (discovery: string | null, last: string, more: object = {}) =>
  providerRecord('ws' as never, {
    id: `01a20a61-9edb-73a9-a428-8417be40${last}` as never,
    targetPoolId: 'pool' as never,
    discovery,
    ...more,
  });

test('six hours after the last end, and up to half an hour later by id', () => {
  const last = ended(0, 1_000, COUNTS);
  const at = (hours: number) => 1_000 + hours * HOUR_MS;
  expect(isDue(provider(last, '0000'), at(6) - 1)).toBe(false);
  expect(isDue(provider(last, '0000'), at(6))).toBe(true);
  expect(isDue(provider(last, 'ffff'), at(6.49))).toBe(false);
  expect(isDue(provider(last, 'ffff'), at(6.5))).toBe(true);
});

test('at once when there was none, or none that ended; never without a pool, or disabled', () => {
  const nowMs = 100 * HOUR_MS;
  expect(isDue(provider(null, '0000'), nowMs)).toBe(true);
  expect(isDue(provider(running(nowMs), '0000'), nowMs)).toBe(true);
  expect(isDue(provider(null, '0000', { targetPoolId: null }), nowMs)).toBe(false);
  expect(isDue(provider(null, '0000', { enabled: false }), nowMs)).toBe(false);
});

test('an interrupted one is failed, with the counts that it had', () => {
  const text = interrupted(running(5, COUNTS), 7_000);
  expect(finishedAtMsOf(text)).toBe(7_000);
  expect(discoveryMessage(text)).toMatchObject({
    ...{ status: DiscoveryStatus.FAILED, error: INTERRUPTED },
    ...{ foundCount: 9, createdCount: 5, updatedCount: 1, disabledCount: 2, enabledCount: 3 },
  });
});

test('asking again ends after four times, at what is not curable, and when it is stopped', async () => {
  const { signal } = new AbortController();
  let asked = 0;
  const failing = (kind: 'failed' | 'refused', retryAfterMs: number | null) => async (): Promise<never> => {
    asked++;
    throw new VendorError(kind, retryAfterMs);
  };
  await expect(patiently(failing('failed', 0), signal)).rejects.toMatchObject({ kind: 'failed' });
  expect(asked).toBe(4);
  await expect(patiently(failing('refused', 0), signal)).rejects.toMatchObject({ kind: 'refused' });
  expect(asked).toBe(5);
  const stopping = new AbortController();
  const stopped = patiently(failing('failed', 200_000), stopping.signal);
  stopping.abort();
  await expect(stopped).rejects.toMatchObject({ kind: 'stopped' });
  expect(asked).toBe(6);
});
