/**
 * A whole server as a judge: what the gateway emitted goes to it as to the next proxy,
 * it passes on to a recording origin what it understood, and the answer brings back the
 * number under which the origin keeps that.
 *
 * Requests go pipelined in batches. A batch whose answers do not match is halved until
 * single requests disagree; a batch of which both halves are well disagrees as a whole.
 */
import { connect } from 'node:net';
import { differenceOfMeaning, type FieldLine, type Meaning } from '../meaning.ts';
import { RecordingOrigin } from '../recording-origin.ts';
import { checkRequest } from '../rfc-checker.ts';
import { type Case, type Disagreement, type Judge, type KnownLimit, LimitsMet } from './judge.ts';

/** What one server makes of requests on purpose. */
export interface Relaying {
  readonly name: string;
  readonly version: string;
  /** What it refuses or answers itself. Requests that meet one are not sent. */
  readonly limits: readonly KnownLimit[];
  /** Fields (lower case) that it drops, adds or writes anew: compared on neither side. Reasons stand with each server. */
  readonly rewrites: ReadonlySet<string>;
  /** Fields (lower case) that it writes at another place: compared behind the others, by name. */
  readonly moves: ReadonlySet<string>;
  /** What it does to values and targets on purpose, applied to what is expected and to what arrives. */
  readonly normalize?: (meaning: Meaning) => Meaning;
}

/** The server as a running program. */
export interface RunningServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Of every server: it relays requests, and has no target to open a tunnel to. */
const TUNNELS: KnownLimit = { reason: 'CONNECT is for judges that read', met: ({ method }) => method === 'CONNECT' };

interface Sent {
  readonly input: number;
  readonly octets: string;
  readonly meaning: Meaning;
}

const BATCH = 40;
/** Connections at a time. */
const LANES = 6;
/** A server that says nothing for so long has swallowed what it got. */
const SILENCE_MS = 15_000;
/** Emissions that are remembered as judged: the same octets are not sent twice. */
const MAX_REMEMBERED = 200_000;

/** These are hop by hop: bodies are compared without their framing. Host is compared beside the target, wherever it stands. */
const HOP_BY_HOP = [
  'content-length', 'transfer-encoding', 'connection', 'keep-alive', 'proxy-connection', 'upgrade', 'host',
]; // biome-ignore format: one list

export class RelayingJudge implements Judge {
  readonly name: string;
  readonly version: string;
  readonly limitsMet = new LimitsMet();
  readonly #relaying: Relaying;
  readonly #server: RunningServer;
  readonly #origin: RecordingOrigin;
  readonly #hidden: ReadonlySet<string>;
  readonly #judged = new Set<string>();

  private constructor(relaying: Relaying, server: RunningServer, origin: RecordingOrigin) {
    this.name = relaying.name;
    this.version = relaying.version;
    this.#relaying = relaying;
    this.#server = server;
    this.#origin = origin;
    this.#hidden = new Set([...HOP_BY_HOP, ...relaying.rewrites]);
  }

  static async start(
    relaying: Relaying,
    serve: (originPort: number) => Promise<RunningServer>,
  ): Promise<RelayingJudge> {
    const origin = await RecordingOrigin.start(false);
    return new RelayingJudge(relaying, await serve(origin.port), origin);
  }

  async judge(cases: readonly Case[]): Promise<Disagreement[]> {
    const sent = cases.flatMap((one) => this.#requestsOf(one));
    const batches: Sent[][] = [];
    for (let i = 0; i < sent.length; i += BATCH) batches.push(sent.slice(i, i + BATCH));
    const disagreements: Disagreement[] = [];
    const work = async (): Promise<void> => {
      for (let batch = batches.pop(); batch !== undefined; batch = batches.pop()) {
        disagreements.push(...(await this.#judgeBatch(batch)));
      }
    };
    await Promise.all(Array.from({ length: LANES }, work));
    if (this.#origin.unclaimed > 0 && disagreements.length === 0) {
      const difference = `${this.#origin.unclaimed} requests at the origin that nobody sent`;
      disagreements.push({ judge: this.name, input: cases[0]!.input, octets: '', difference });
    }
    this.#origin.forget();
    return disagreements;
  }

  async close(): Promise<void> {
    await this.#server.close();
    await this.#origin.close();
  }

  /** The complete requests of a stream that this server may be asked about and was not before. */
  #requestsOf({ input, octets, expected }: Case): Sent[] {
    const sent: Sent[] = [];
    let from = 0;
    for (const meaning of expected.requests) {
      const read = checkRequest(octets, from);
      if (typeof read === 'string' || 'refused' in read) break; // the checker has said so already
      const own = octets.slice(from, read.end);
      from = read.end;
      const limit = [TUNNELS, ...this.#relaying.limits].find(({ met }) => met(meaning));
      if (limit !== undefined) this.limitsMet.count(limit.reason);
      else if (!this.#judged.has(own)) {
        if (this.#judged.size < MAX_REMEMBERED) this.#judged.add(own);
        sent.push({ input, octets: own, meaning });
      }
    }
    return sent;
  }

  async #judgeBatch(batch: readonly Sent[]): Promise<Disagreement[]> {
    const faults = await this.#faultOfBatch(batch);
    if (faults === null) return [];
    const { at, difference } = faults;
    if (batch.length === 1) {
      const [{ input, octets }] = batch as [Sent];
      return [{ judge: this.name, input, octets, difference: difference ?? 'no answer' }];
    }
    // What came back well before the fault is judged.
    const rest = batch.slice(at);
    if (rest.length < batch.length && difference === null) return this.#judgeBatch(rest);
    const half = Math.ceil(batch.length / 2);
    const found = [...(await this.#judgeBatch(batch.slice(0, half))), ...(await this.#judgeBatch(batch.slice(half)))];
    if (found.length > 0) return found;
    const octets = batch.map((one) => one.octets).join('');
    return [{ judge: this.name, input: batch[at]!.input, octets, difference: `in a row: ${difference}` }];
  }

  /**
   * null: every request came out as it should. Else the first that did not, and how; a null difference there: the
   * server ended the connection between two requests, which it may.
   */
  async #faultOfBatch(batch: readonly Sent[]): Promise<{ at: number; difference: string | null } | null> {
    const answers = await converse(this.#server.port, batch);
    for (const [i, { meaning }] of batch.entries()) {
      const answer = answers[i];
      if (answer === undefined) return { at: i, difference: i > 0 ? null : 'no answer' };
      const arrived = answer.number === null ? undefined : this.#origin.claim(answer.number);
      if (arrived === undefined) return { at: i, difference: `answers ${answer.status} itself` };
      const difference = differenceOfMeaning(this.#comparable(meaning), this.#comparable(arrived));
      if (difference !== null) return { at: i, difference };
    }
    return answers.length > batch.length ? { at: batch.length - 1, difference: 'more answers than requests' } : null;
  }

  /** What is left to compare: an absolute target, the fields that travel, the body. */
  #comparable(meaning: Meaning): Meaning {
    const { method, target, fields, body } = this.#relaying.normalize?.(meaning) ?? meaning;
    const kept: FieldLine[] = [];
    const moved: FieldLine[] = [];
    for (const field of fields) {
      const name = field[0].toLowerCase();
      if (!this.#hidden.has(name)) (this.#relaying.moves.has(name) ? moved : kept).push(field);
    }
    moved.sort(([a], [b]) => a.toLowerCase().localeCompare(b.toLowerCase()));
    const host = fields.find(([name]) => name.toLowerCase() === 'host')?.[1] ?? '';
    const absolute = target.startsWith('/') ? `http://${host}${target}` : target;
    return { method, target: `${absolute} at ${host}`, fields: [...kept, ...moved], body };
  }
}

interface Answer {
  readonly status: number;
  /** Under which the origin keeps what it understood; null: the server answered itself. */
  readonly number: number | null;
}

/** Sends the requests in one go and reads answers until there are as many, or no more come. */
function converse(port: number, batch: readonly Sent[]): Promise<Answer[]> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    let text = '';
    let answers: Answer[] = [];
    const over = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answers);
    };
    const timer = setTimeout(over, SILENCE_MS);
    socket.on('error', over);
    socket.on('close', over);
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      timer.refresh();
      const read = readAnswers(text, batch, answers.length);
      answers = [...answers, ...read.answers];
      text = text.slice(read.end);
      if (answers.length >= batch.length) over();
    });
    socket.write(Buffer.from(batch.map(({ octets }) => octets).join(''), 'latin1'));
  });
}

function readAnswers(text: string, batch: readonly Sent[], from: number): { answers: Answer[]; end: number } {
  const answers: Answer[] = [];
  let pos = 0;
  for (;;) {
    const end = text.indexOf('\r\n\r\n', pos);
    if (end === -1) return { answers, end: pos };
    const head = text.slice(pos, end + 2);
    const status = Number(head.slice(9, 12));
    const length = Number(/\r\ncontent-length: *([0-9]+)\r/i.exec(head)?.[1] ?? 0);
    const bodiless = batch[from + answers.length]?.meaning.method === 'HEAD';
    const next = end + 4 + (bodiless ? 0 : length);
    if (next > text.length) return { answers, end: pos };
    pos = next;
    const number = /\r\nReading: ([0-9]+)\r/i.exec(head)?.[1];
    if (status >= 200) answers.push({ status, number: number === undefined ? null : Number(number) });
  }
}
