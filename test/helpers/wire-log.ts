/** A log that keeps its lines, for tests that assert on what was logged. */
import type { LineShape, LineValue, Logger } from '../../src/core/log.ts';

export interface RecordedLog extends Logger {
  readonly lines: { readonly fields: Readonly<Record<string, unknown>>; readonly message: string }[];
}

export function recordedLog(): RecordedLog {
  const lines: RecordedLog['lines'] = [];
  const write = (fields: object, message: string): void => {
    lines.push({ fields: { ...fields }, message });
  };
  return {
    lines,
    isEnabled: () => true,
    debug: write,
    info: write,
    warn: write,
    error: write,
    linesOf: (shape) => (of) => write(fieldsOf(shape, of), shape.message),
  };
}

/** The fields of a line of a fixed shape, as a line of any other kind has them. */
export function fieldsOf<T>({ fields }: LineShape<T>, of: T): Record<string, LineValue> {
  return Object.fromEntries(fields.map(([name, read]) => [name, read(of)]));
}
