/** Ctrl-C where a command must end in order: it says what was done, and leaves nothing half made. */
import type { CommandHost } from './host.ts';

/** Runs work that ends when its signal aborts, as it does at the first Ctrl-C; a second one ends the process at once. */
export async function untilInterrupted<Done>(
  host: CommandHost,
  work: (stop: AbortSignal) => Promise<Done>,
): Promise<Done> {
  const stop = new AbortController();
  const forget = host.onInterrupt(() => stop.abort());
  return work(stop.signal).finally(forget);
}
