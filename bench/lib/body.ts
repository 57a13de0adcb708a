/** Reads the body of a request as it comes, by its length or in chunks; keeps nothing of it. */

const LINE_FEED = 0x0a;

export class BodyReader {
  /** Octets of the body so far, without what frames them. */
  octets = 0;
  /** The body is whole, or its framing is wrong. */
  done = false;
  /** Its framing is wrong. */
  broken = false;
  private readonly chunked: boolean;
  private readonly onPiece: (piece: Buffer) => void;
  /** Octets that the body, or the chunk under way, still has. */
  private left: number;
  /** A line of the framing, as far as it has come. */
  private line = '';
  private inTrailer = false;

  /** By the request's head, without its last empty line. `onPiece` is lent each piece in turn. */
  constructor(head: string, onPiece: (piece: Buffer) => void) {
    this.chunked = /\r\ntransfer-encoding:[ \t]*chunked/i.test(head);
    this.left = this.chunked ? 0 : Number(/\r\ncontent-length:[ \t]*(\d+)/i.exec(head)?.[1] ?? 0);
    this.done = !this.chunked && this.left === 0;
    this.onPiece = onPiece;
  }

  /** Takes what belongs to the body from `at` on; answers where it stopped. */
  read(buffer: Buffer, at: number): number {
    let next = at;
    while (next < buffer.length && !this.done) {
      next = this.left > 0 ? this.readPiece(buffer, next) : this.readLine(buffer, next);
    }
    return next;
  }

  private readPiece(buffer: Buffer, at: number): number {
    const end = Math.min(buffer.length, at + this.left);
    this.onPiece(buffer.subarray(at, end));
    this.octets += end - at;
    this.left -= end - at;
    this.done = this.left === 0 && !this.chunked;
    return end;
  }

  private readLine(buffer: Buffer, at: number): number {
    const feed = buffer.indexOf(LINE_FEED, at);
    const end = feed === -1 ? buffer.length : feed + 1;
    this.line += buffer.toString('latin1', at, end);
    if (feed === -1) return end;
    const line = this.line.trimEnd();
    this.line = '';
    if (this.inTrailer) this.done = line === '';
    // Empty is the line that ends a chunk.
    else if (line !== '') this.startChunk(line);
    return end;
  }

  private startChunk(line: string): void {
    this.left = /^[0-9a-f]+(;|$)/i.test(line) ? Number.parseInt(line, 16) : 0;
    this.inTrailer = /^0+(;|$)/.test(line);
    this.broken = this.left === 0 && !this.inTrailer;
    this.done = this.broken;
  }
}
