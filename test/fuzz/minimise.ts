/** Makes a stream that shows a fault as short as it gets: pieces are taken out, ever smaller ones, while the fault stays. */

/** So many tries at most; what is left then is short enough to read. */
const MAX_TRIES = 600;

/** The shortest stream found that still `fails`; the stream itself when nothing can go. */
export async function minimise(stream: string, fails: (stream: string) => Promise<boolean>): Promise<string> {
  let shortest = stream;
  let tries = 0;
  for (let size = Math.ceil(stream.length / 2); size >= 1 && tries < MAX_TRIES; ) {
    let shorter = false;
    for (let at = 0; at < shortest.length && tries < MAX_TRIES; tries++) {
      const candidate = shortest.slice(0, at) + shortest.slice(at + size);
      if (await fails(candidate)) {
        shortest = candidate;
        shorter = true;
      } else at += size;
    }
    // A pass that found something may have made room for another of its size.
    if (!shorter || size > 1) size = size === 1 ? 0 : Math.ceil(size / 2);
  }
  return shortest;
}
