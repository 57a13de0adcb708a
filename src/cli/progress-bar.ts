/** The bar of long work, on standard error where somebody looks at it; nothing elsewhere. */
import { SingleBar } from 'cli-progress';

export interface ProgressBar {
  /** `done` of the whole, and what is shown beside it. */
  update(done: number, shown?: Readonly<Record<string, string>>): void;
  stop(): void;
}

const NO_BAR: ProgressBar = { update: () => undefined, stop: () => undefined };

/** `format`: of cli-progress. `total` 0: the whole is not known, and the format shows no part of it. */
export function startBar(
  stage: NodeJS.WriteStream | null,
  total: number,
  format: string,
  shown: Readonly<Record<string, string>> = {},
): ProgressBar {
  if (stage === null) return NO_BAR;
  const look = { barCompleteChar: '█', barIncompleteChar: '░', clearOnComplete: true };
  // A bar that listens to signals would keep Ctrl-C from ending the process; so it changes nothing of the
  // terminal that it would have to put back: neither hides the cursor nor turns wrapping off.
  const bar = new SingleBar({ ...look, format, stream: stage, gracefulExit: false, hideCursor: null, linewrap: true });
  bar.start(total, 0, shown);
  return bar;
}
