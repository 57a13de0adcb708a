/**
 * Moves octets from one socket to another, as `pipe` does: it stops reading
 * while the other side's buffer is full, and passes the end on. What comes in is
 * lent (`intake.ts`), so that neither a fast stream nor one that stalls costs a
 * fresh buffer for each read.
 */
import type { Socket } from 'node:net';
import type { Intake } from './intake.ts';

/**
 * Starts relaying. Tells `count` of the octets of each read, and `onStall` each time that it stops reading.
 * The returned function stops it: what still comes is discarded, and no end is passed on.
 */
export function relay(
  { socket: from, intake }: { readonly socket: Socket; readonly intake: Intake },
  to: Socket,
  onStall: () => void,
  count: (octets: number) => void,
): () => void {
  intake.receiver = (octets) => {
    if (!to.writable) return;
    count(octets.length);
    if (intake.pass(octets, to)) return;
    from.pause();
    onStall();
  };
  const onDrain = (): void => void from.resume();
  const onEnd = (): void => void to.end();
  from.on('end', onEnd);
  to.on('drain', onDrain);
  return () => {
    intake.receiver = () => undefined;
    from.off('end', onEnd).resume();
    to.off('drain', onDrain);
  };
}
