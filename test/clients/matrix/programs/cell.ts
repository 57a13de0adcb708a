/** What the Node programs share: the words they are started with, and the line they print. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';

/** What came of one URL: an answer, or the error in the words that a user reads. */
export interface Answer {
  readonly status?: number;
  readonly body?: string;
  /** Content-Length as it came. */
  readonly length?: number | null;
  readonly error?: string;
}

export const [, , scenario = '', ...urls] = process.argv;
export const proxy = process.env.PROXY ?? '';
export const body = process.env.BODY ?? '';
export const bodyFile = process.env.BODY_FILE ?? '';

const POSTS = ['post-length', 'post-chunked', 'expect-continue', 'upload'];
export const method = POSTS.includes(scenario) ? 'POST' : scenario === 'head' ? 'HEAD' : 'GET';
export const headers: Record<string, string> =
  scenario === 'no-body'
    ? { 'If-None-Match': '"e"' }
    : scenario === 'expect-continue'
      ? { Expect: '100-continue' }
      : {};

/** The small body in two pieces, of a length that nobody was told. */
export function pieces(): Readable {
  return Readable.from([Buffer.from(body.slice(0, 5)), Buffer.from(body.slice(5))]);
}

/** Reads an answer's body as the scenario wants it: hashed, broken off, or whole. */
export async function read(status: number, length: string | null, stream: AsyncIterable<Uint8Array>): Promise<Answer> {
  const hash = createHash('sha256');
  let text = '';
  for await (const chunk of stream) {
    if (scenario === 'abort') return { status, body: String(chunk.length) }; // leaving the loop destroys the stream
    if (scenario === 'download') hash.update(chunk);
    else text += Buffer.from(chunk).toString();
  }
  return {
    status,
    body: scenario === 'download' ? hash.digest('hex') : text,
    length: length === null ? null : Number(length),
  };
}

/** The part of a WebSocket that browsers and `ws` have in common. */
interface EchoSocket {
  onopen: unknown;
  onmessage: unknown;
  onerror: unknown;
  send(text: string): void;
  close(): void;
}

/** Sends one message over a WebSocket that is opening; answers what came back. */
export function echo(socket: EchoSocket): Promise<Answer> {
  return new Promise((resolve, reject) => {
    socket.onopen = () => socket.send('sally');
    socket.onerror = (event: { message?: string; error?: Error }) => reject(event.error ?? new Error(event.message));
    socket.onmessage = ({ data }: { data: unknown }) => {
      resolve({ status: 101, body: String(data) });
      socket.close();
    };
  });
}

/** Fetches every URL, prints what came of it, and ends the process, whatever the client keeps open. */
export async function tell(fetch: (url: string) => Promise<Answer>): Promise<void> {
  const answers: Answer[] = [];
  for (const url of urls) {
    answers.push(await fetch(url).catch((error) => ({ error: words(error) })));
    // Some give a connection back a turn after its answer ended.
    await new Promise((resolve) => setImmediate(resolve));
  }
  process.stdout.write(`${JSON.stringify(answers)}\n`, () => process.exit());
}

/** An error with its causes, as Node prints it. */
function words(error: unknown): string {
  const said: string[] = [];
  for (let at: unknown = error; at instanceof Error && said.length < 5; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    said.push(`${at.name}: ${at.message}${code === undefined ? '' : ` (${code})`}`);
  }
  return said.join(' ← ') || String(error);
}
