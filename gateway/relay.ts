/**
 * Moves octets from one socket to another, as `pipe` does: it stops reading
 * while the other side's buffer is full, and passes the end on. Beyond `pipe`, it
 * gives each chunk's memory back as soon as the kernel has the octets.
 *
 * Why: every read of Node's takes a fresh buffer of up to 64 KiB, and what was
 * written stays until the next collection: some 4 MiB for each connection whose
 * reader stalls, and cold pages for every chunk of a busy one (`bench/`, down and up).
 */
import type { Socket } from 'node:net';

/**
 * Starts relaying. Tells `count` of the octets of each chunk written, and `onStall` each time that it stops reading.
 * The returned function stops it: what still comes is discarded, and no end is passed on.
 */
export function relay(from: Socket, to: Socket, onStall: () => void, count: (octets: number) => void): () => void {
  const onData = (chunk: Buffer): void => {
    if (!to.writable) return;
    count(chunk.length);
    const flowing = to.write(chunk);
    releaseWritten(chunk, to);
    if (flowing) return;
    from.pause();
    onStall();
  };
  const onDrain = (): void => void from.resume();
  const onEnd = (): void => void to.end();
  from.on('data', onData).on('end', onEnd);
  to.on('drain', onDrain);
  return () => {
    from.off('data', onData).off('end', onEnd).resume();
    to.off('drain', onDrain);
  };
}

/**
 * Frees a chunk that was just written to `to`, if the kernel took it whole and it
 * has its memory to itself, as what a socket reads has; one of a shared pool, or a
 * part of a chunk, is left alone. The caller looks at the chunk no more: it is empty.
 */
export function releaseWritten(chunk: Buffer, to: Socket): void {
  const { buffer } = chunk;
  if (to.writableLength === 0 && buffer instanceof ArrayBuffer && chunk.byteLength === buffer.byteLength) {
    buffer.transfer(0);
  }
}
