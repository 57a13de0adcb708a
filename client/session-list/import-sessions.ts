/**
 * A list of upstreams becomes sessions of a pool: read piece by piece, sent in batches, and told of
 * by lines. A bad line does not stop the others; a list that was imported before makes nothing
 * twice, so that whoever was interrupted begins again.
 *
 *   text ─▶ lines (`list-reader.ts`) ───────▶ batch ─▶ BulkCreateSessions
 *                    └─ bad: told                 └─ a row is refused: told, and the batch sent again without it
 *
 * The command line and the console import with it.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { BadRequestSchema } from '../../control/gen/google/rpc/error_details_pb.ts';
import type { NewSessionSchema } from '../../control/gen/proxies/v1/proxies_pb.ts';
import { type Endpoint, isProblem, tokenFor } from './endpoint.ts';
import { type ListEntry, ListReader } from './list-reader.ts';

/** Sessions of one call: some tenths of a second of the service's time, and a step of the bar. */
const BATCH = 2_000;
/** Tokens of a list that are remembered, to tell its own repetitions from what was there before: some 100 octets each. */
const MAX_REMEMBERED = 200_000;

export interface ImportRequest {
  readonly text: AsyncIterable<string>;
  /** Of upstreams whose list names none. */
  readonly scheme: string;
  /** Of every session, beside its own. */
  readonly labels: Readonly<Record<string, string>>;
  /** Once aborted, the batch that is on its way is the last one. */
  readonly stop: AbortSignal;
}

export interface ImportSink {
  /** Makes what is not there yet; answers how much that was. Rejects with what the service refused. */
  create(sessions: MessageInitShape<typeof NewSessionSchema>[]): Promise<{ readonly createdCount: number }>;
  /** A line is no session, and why. */
  refused(number: number, why: string): void;
  /** What became of the list so far. */
  progress(counts: ImportCounts): void;
}

export interface ImportCounts {
  readonly created: number;
  /** There already, as their tokens say. */
  readonly existing: number;
  /** Lines whose token an earlier one of the list had. */
  readonly repeated: number;
  readonly refused: number;
}

export interface ImportOutcome extends ImportCounts {
  readonly kind: ListReader['kind'];
  /** Columns of a CSV that mean nothing to us. */
  readonly unknownColumns: readonly string[];
}

interface Row {
  readonly number: number;
  readonly session: MessageInitShape<typeof NewSessionSchema>;
}

/** Imports a whole list. Rejects with what the service, the text or `stop` ended it by; what was created stays. */
export async function importSessions(request: ImportRequest, sink: ImportSink): Promise<ImportOutcome> {
  const run = new Import(request, sink);
  const reader = new ListReader(request.scheme);
  for await (const piece of request.text) await run.take(reader.push(piece));
  await run.take(reader.end());
  await run.send();
  return { ...run.counts, kind: reader.kind, unknownColumns: reader.table?.unknown ?? [] };
}

class Import {
  readonly counts = { created: 0, existing: 0, repeated: 0, refused: 0 };
  readonly #request: ImportRequest;
  readonly #sink: ImportSink;
  #batch: Row[] = [];
  /** Tokens of the list so far. */
  readonly #seen = new Set<string>();

  constructor(request: ImportRequest, sink: ImportSink) {
    this.#request = request;
    this.#sink = sink;
  }

  async take(entries: readonly ListEntry[]): Promise<void> {
    for (const { number, found } of entries) {
      if (isProblem(found)) this.#refuse(number, found.problem);
      else this.#add(number, found);
      if (this.#batch.length >= BATCH) await this.send();
    }
  }

  /** Sends what has come. */
  async send(): Promise<void> {
    let rows = this.#batch;
    this.#batch = [];
    if (rows.length > 0) this.#request.stop.throwIfAborted();
    while (rows.length > 0) {
      const left = await this.#sendRows(rows);
      if (left.length === rows.length) throw new Error('the service refuses the list, and names no line of it');
      rows = left;
    }
    this.#sink.progress({ ...this.counts });
  }

  #add(number: number, endpoint: Endpoint): void {
    const token = tokenFor(endpoint);
    if (typeof token !== 'string') return this.#refuse(number, token.problem);
    if (this.#seen.has(token)) {
      this.counts.repeated++;
      return;
    }
    if (this.#seen.size < MAX_REMEMBERED) this.#seen.add(token);
    const { scheme, host, port, username, password, labels } = endpoint;
    const session = {
      ...{ token, scheme, host, port, labels: { ...this.#request.labels, ...labels } },
      ...(username !== null && { username }),
      ...(password !== null && { password }),
    };
    this.#batch.push({ number, session });
  }

  /** Answers the rows that are to be sent again, without those that were refused: none when all went well. */
  async #sendRows(rows: readonly Row[]): Promise<Row[]> {
    try {
      const { createdCount } = await this.#sink.create(rows.map(({ session }) => session));
      this.counts.created += createdCount;
      this.counts.existing += rows.length - createdCount;
      return [];
    } catch (error) {
      const reasons = reasonsOf(error);
      if (reasons.size === 0) throw error;
      for (const [index, why] of reasons) {
        const row = rows[index];
        if (row !== undefined) this.#refuse(row.number, why);
      }
      return rows.filter((_, i) => !reasons.has(i));
    }
  }

  #refuse(number: number, why: string): void {
    this.counts.refused++;
    this.#sink.refused(number, why);
  }
}

/** Why rows of a batch were refused, by their index; none where something else was. */
function reasonsOf(error: unknown): ReadonlyMap<number, string> {
  const reasons = new Map<number, string>();
  if (!(error instanceof ConnectError) || error.code !== Code.InvalidArgument) return reasons;
  for (const { fieldViolations } of error.findDetails(BadRequestSchema)) {
    for (const { field, description } of fieldViolations) {
      const match = /^sessions\[(\d+)\]\.?(.*)$/.exec(field);
      if (match === null || reasons.has(Number(match[1]))) continue;
      reasons.set(Number(match[1]), match[2] === '' ? description : `its ${match[2]} ${description}`);
    }
  }
  return reasons;
}
