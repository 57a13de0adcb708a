/** Waits for a rotation of keys, and shows how far it is. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { KeyRotation } from '../../client/client.ts';
import { type ProgressBar, startBar } from './progress-bar.ts';

const LOOK_MS = 250;

/** Resolves when `look` tells of no rotation any more. */
export async function watchRotation(
  look: () => Promise<KeyRotation | undefined>,
  stage: NodeJS.WriteStream | null,
): Promise<void> {
  let bar: ProgressBar | null = null;
  try {
    for (let rotation = await look(); rotation !== undefined; rotation = await look()) {
      bar ??= startBar(stage, Number(rotation.totalCount), '{bar} {percentage} % of {total} secrets');
      bar.update(Number(rotation.checkedCount));
      await sleep(LOOK_MS);
    }
  } finally {
    bar?.stop();
  }
}
