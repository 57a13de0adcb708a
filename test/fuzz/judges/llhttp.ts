/**
 * llhttp as a judge: the parser of Node's own HTTP server, strict, fed through a
 * stream in memory so that thousands of emissions a second can be read.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Duplex } from 'node:stream';
import { differenceOf, type FieldLine, type Meaning, type Reading } from '../meaning.ts';
import { checkRequest } from '../rfc-checker.ts';
import { type Case, type Disagreement, type Judge, LimitsMet } from './judge.ts';

/** Beyond every head that the gateway lets pass. */
const MAX_HEADER_BYTES = 131_072;

/** A request that was begun, in the order of the heads. */
interface Begun extends Omit<Meaning, 'body'> {
  body: string;
  complete: boolean;
}

/** One connection: octets go in, answers are dropped. */
class Feed extends Duplex {
  readonly begun: Begun[] = [];
  refused: string | null = null;

  override _read(): void {}

  override _write(_chunk: Buffer, _encoding: string, done: () => void): void {
    done();
  }
}

export class Llhttp implements Judge {
  readonly name = 'llhttp';
  readonly version = `llhttp ${process.versions.llhttp}, strict`;
  readonly limitsMet = new LimitsMet();
  readonly #server: Server;

  constructor() {
    const options = { insecureHTTPParser: false, maxHeaderSize: MAX_HEADER_BYTES, requireHostHeader: true };
    this.#server = createServer({ ...options, keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 });
    // Past this number it would drop header lines in silence.
    this.#server.maxHeadersCount = 0;
    const onRequest = (request: IncomingMessage, response: ServerResponse) => readRequest(request, response);
    this.#server.on('request', onRequest).on('checkContinue', onRequest).on('checkExpectation', onRequest);
    this.#server.on('connect', (request: IncomingMessage, socket: Duplex, first: Buffer) => {
      const tunnel = { ...headOf(request), body: first.toString('latin1'), complete: true };
      (socket as Feed).begun.push(tunnel);
      socket.on('data', (chunk: Buffer) => {
        tunnel.body += chunk.toString('latin1');
      });
      socket.on('end', () => socket.end());
    });
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
      (socket as Feed).refused = error.code ?? error.message;
      // Requests that are complete still have to say so.
      setImmediate(() => socket.destroy());
    });
  }

  async judge(cases: readonly Case[]): Promise<Disagreement[]> {
    const disagreements: Disagreement[] = [];
    for (const { input, octets, expected } of cases) {
      const difference = differenceOf(expected, await this.read(octets));
      if (difference !== null) disagreements.push({ judge: this.name, input, octets, difference });
    }
    return disagreements;
  }

  /** What llhttp takes this stream for. */
  async read(octets: string): Promise<Reading> {
    const feed = new Feed();
    const closed = new Promise<void>((resolve) => feed.once('close', () => resolve()));
    feed.on('error', () => undefined); // ended by the server for what `refused` says
    this.#server.emit('connection', feed);
    for (const piece of piecesOf(octets)) {
      feed.push(Buffer.from(piece, 'latin1'));
      await new Promise((resolve) => setImmediate(resolve));
    }
    feed.push(null);
    await closed;
    const { begun, refused } = feed;
    const requests = begun.filter(({ complete }) => complete);
    // The end of the stream in the middle of a message is no refusal of what came until then.
    if (refused !== null && refused !== 'HPE_INVALID_EOF_STATE') return { requests, tail: { refused } };
    return { requests, tail: refused === null && requests.length === begun.length ? 'nothing' : 'partial' };
  }

  async close(): Promise<void> {
    this.#server.close();
  }
}

/**
 * The stream as it was sent: Node drops what stands in one piece with an Upgrade that it ignores, and the gateway, which
 * sends the next request after the answer to the last one, never writes such a piece.
 */
function piecesOf(octets: string): string[] {
  if (!octets.includes('\r\nUpgrade: ')) return [octets];
  const pieces: string[] = [];
  let from = 0;
  for (let read = checkRequest(octets, 0); typeof read === 'object' && 'end' in read && read.end > from; ) {
    pieces.push(octets.slice(from, read.end));
    from = read.end;
    read = checkRequest(octets, from);
  }
  return [...pieces, octets.slice(from)].filter((piece) => piece !== '');
}

function readRequest(request: IncomingMessage, response: ServerResponse): void {
  const begun: Begun = { ...headOf(request), body: '', complete: false };
  (request.socket as unknown as Feed).begun.push(begun);
  request.on('error', () => undefined); // cut off: it stays incomplete
  request.on('data', (chunk: Buffer) => {
    begun.body += chunk.toString('latin1');
  });
  request.on('end', () => {
    begun.complete = request.complete;
    if (request.complete) response.end();
  });
}

function headOf({ method = '', url = '', rawHeaders }: IncomingMessage): Omit<Meaning, 'body'> {
  const fields: FieldLine[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) fields.push([rawHeaders[i]!, rawHeaders[i + 1]!]);
  return { method, target: url, fields };
}
