/**
 * Lines of the log that wait a moment to be written together: a write of its own
 * costs each of them more than it took to make. Stands before the log's destination;
 * what is added goes out in order.
 *
 * Bound: `most` characters wait here, and none longer than MAX_WAIT_MS.
 */

/** Late enough to gather lines, too early for a reader to notice; what a process that is killed may take with it. */
const MAX_WAIT_MS = 100;

export class LineBatch {
  readonly #write: (lines: string) => void;
  readonly #most: number;
  #lines = '';
  #timer: NodeJS.Timeout | null = null;

  /**
   * @param write takes whole lines, and may put them together.
   * @param most octets that it is given at once; a longer line goes by itself.
   */
  constructor(write: (lines: string) => void, most: number) {
    this.#write = write;
    this.#most = most;
  }

  /** A line that may wait; it ends with its newline. */
  add(line: string): void {
    if (this.#lines.length + line.length > this.#most) this.handOver();
    this.#lines += line;
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.handOver();
    }, MAX_WAIT_MS).unref();
  }

  /** What waits goes to the destination. */
  handOver(): void {
    const lines = this.take();
    if (lines === '') return;
    // Characters were counted, of which some are several octets: then it is for the destination to see what fits.
    if (Buffer.byteLength(lines) <= this.#most) this.#write(lines);
    else for (const line of lines.split(/(?<=\n)/)) this.#write(line);
  }

  /** What waits, which the caller writes. */
  take(): string {
    const lines = this.#lines;
    this.#lines = '';
    return lines;
  }

  /** What waits goes to the destination; nothing may be added any more. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.handOver();
  }
}
