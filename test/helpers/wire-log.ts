/** A log that keeps its lines, for tests that assert on what was logged. */
import type { Logger } from '../../src/core/log.ts';

export interface RecordedLog extends Logger {
  readonly lines: { readonly fields: Readonly<Record<string, unknown>>; readonly message: string }[];
}

export function recordedLog(): RecordedLog {
  const lines: RecordedLog['lines'] = [];
  const write = (fields: object, message: string): void => {
    lines.push({ fields: { ...fields }, message });
  };
  return { lines, isEnabled: () => true, debug: write, info: write, warn: write, error: write };
}
