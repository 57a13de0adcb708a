/**
 * An upstream that answers by the book of a test: each request names its script,
 * by its path or, for a CONNECT, by the first label of its target. So many requests
 * with different scripts may be under way at once.
 */
import type { Socket } from 'node:net';
import { type Behaviour, type RecordingUpstream, sendSplit, startRecordingUpstream } from './wire.ts';

/** What it sends for one request, and what it does then. */
export interface Script {
  readonly octets: Buffer;
  /** Written in two pieces that are read apart; 0: in one. */
  readonly splitAt?: number;
  readonly ends?: 'stays' | 'ends' | 'resets' | 'floods';
}

export interface ScriptedUpstream extends RecordingUpstream {
  /** A name for a script, which the next requests may use. */
  name(script: Script): string;
  /** What it does unless told otherwise. */
  readonly scripted: Behaviour;
}

const REQUEST = /(?:[A-Z]+ http:\/\/a\.test\/|CONNECT |[A-Z]+ \/)(s\d+)\b/g;
const FLOOD = Buffer.alloc(16_384, 'canary');

/** Starts one on a free port. */
export async function startScriptedUpstream(): Promise<ScriptedUpstream> {
  const scripts = new Map<string, Script>();
  const scripted: Behaviour = ({ socket, text }) => {
    if (!text.endsWith('\r\n\r\n')) return;
    const named = [...text.matchAll(REQUEST)].at(-1)?.[1];
    const script = scripts.get(named ?? '');
    if (script === undefined) throw new Error(`no script for ${JSON.stringify(text.slice(-200))}`);
    void play(socket, script);
  };
  const upstream = await startRecordingUpstream(scripted);
  return {
    ...upstream,
    scripted,
    name(script) {
      const name = `s${scripts.size}`;
      scripts.set(name, script);
      return name;
    },
  };
}

async function play(socket: Socket, { octets, splitAt = 0, ends = 'stays' }: Script): Promise<void> {
  if (splitAt > 0) await sendSplit(socket, octets, splitAt);
  else if (octets.length > 0) socket.write(octets);
  if (ends === 'ends') socket.end();
  // A turn later, so that what was written has left.
  if (ends === 'resets') setImmediate(() => socket.resetAndDestroy());
  if (ends === 'floods') flood(socket);
}

/** Writes without end, as fast as it is taken. */
function flood(socket: Socket): void {
  while (!socket.destroyed && socket.write(FLOOD));
  socket.once('drain', () => flood(socket));
}

/** Runs `work` on every item, so many at once. */
export async function inLanes<Item>(
  items: readonly Item[],
  lanes: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      while (next < items.length) await work(items[next++]!);
    }),
  );
}
