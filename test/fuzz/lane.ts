/**
 * The gateway under test with an upstream of its own that records: streams go in at
 * the client's end one after the other, what the gateway made of each comes out.
 * Several lanes run beside each other in one process.
 */
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import type { ApiKeyId, ApiKeyState } from '../../src/core/model.ts';
import { type GatewayRig, KEY, startGatewayRig, WORKSPACE } from '../helpers/gateway-rig.ts';
import { turns } from '../helpers/wire.ts';
import type { Expectation } from './expectation.ts';
import type { Meaning } from './meaning.ts';
import { RecordingOrigin } from './recording-origin.ts';

/**
 * Longer than anything here takes; what is not over then hangs. Counted in ticks, as both ends of a lane are in this
 * process: while a busy machine leaves it no time, nothing can go on and nothing hangs.
 */
const HANG_TICKS = 40;
const TICK_MS = 250;

/** A busy machine must not look like a gateway that refuses requests. */
const NEVER_SHEDDING = { easeHeapPercent: 99, shedHeapPercent: 99, easeDescriptorPercent: 99, shedDelayMs: 60_000 };

/** What the gateway made of one stream. */
export interface Outcome {
  /** Octets that it emitted, a stream for each of its connections. */
  readonly emitted: readonly string[];
  /** The requests whose answers came back to the client, in that order, as the RFC checker read them. */
  readonly answered: readonly Meaning[];
  /** Status of every answer. */
  readonly statuses: readonly number[];
  /** A request reached the upstream whose answer did not reach the client. */
  readonly lost: number;
  readonly hung: boolean;
}

/** The key of the rig's client. */
export const LANE_KEY: ApiKeyState = {
  id: '018f8c20-0000-7000-8000-00000000000a' as ApiKeyId,
  workspaceId: WORKSPACE,
  hash: createHash('sha256').update(KEY).digest('hex'),
  mayUseGateway: true,
  expiresAtMs: null,
};

export class Lane {
  readonly #rig: GatewayRig;
  readonly #origin: RecordingOrigin;

  private constructor(rig: GatewayRig, origin: RecordingOrigin) {
    this.#rig = rig;
    this.#origin = origin;
  }

  static async start(): Promise<Lane> {
    const origin = await RecordingOrigin.start(true);
    const rig = await startGatewayRig({ limits: NEVER_SHEDDING });
    rig.put(1, origin.port);
    return new Lane(rig, origin);
  }

  /** What a client of this lane sends as Proxy-Authorization. */
  get authorization(): string {
    return this.#rig.authorization();
  }

  /** Sends the stream in one piece, or in two that arrive apart: [0, cut) and the rest. */
  async run(stream: string, expected: Expectation, cut = 0): Promise<Outcome> {
    this.#origin.take();
    this.#origin.forget();
    const { text, hung } = await this.#converse(Buffer.from(stream, 'latin1'), cut, expected.answers);
    // A body that broke off is being reset upstream: its last octets belong to this stream.
    if (expected.unfinished) await turns(3);
    const numbers = [...text.matchAll(/^Reading: ([0-9]+)\r$/gm)].map(([, n]) => Number(n));
    return {
      emitted: this.#origin.take(),
      answered: numbers.map((n) => this.#origin.claim(n)).filter((request) => request !== undefined),
      statuses: [...text.matchAll(/^HTTP\/1\.1 ([2-5][0-9]{2}) /gm)].map(([, status]) => Number(status)),
      lost: this.#origin.unclaimed,
      hung,
    };
  }

  async close(): Promise<void> {
    await this.#rig.close();
    await this.#origin.close();
  }

  /** Sends the stream, and ends it once as many answers are there as are due. */
  #converse(octets: Buffer, cut: number, answers: number): Promise<{ text: string; hung: boolean }> {
    return new Promise((resolve) => {
      const socket = connect({ host: '127.0.0.1', port: this.#rig.port, allowHalfOpen: true, noDelay: true });
      let text = '';
      const over = (hung: boolean): void => {
        clearInterval(timer);
        socket.destroy();
        resolve({ text, hung });
      };
      let ticks = 0;
      const timer = setInterval(() => {
        if (++ticks > HANG_TICKS) over(true);
      }, TICK_MS);
      socket.on('error', () => over(false)); // a reset is an end; what came until then counts
      socket.on('end', () => over(false));
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1');
        if (!socket.writableEnded && countAnswers(text) >= answers) socket.end();
      });
      const rest = (): void => {
        if (socket.destroyed) return;
        socket.write(octets.subarray(cut));
        if (answers === 0) socket.end();
      };
      if (cut === 0) rest();
      else socket.write(octets.subarray(0, cut), () => void turns(2).then(rest));
    });
  }
}

/** Final ones: an interim answer may stand before each. */
function countAnswers(text: string): number {
  return text.match(/^HTTP\/1\.1 [2-5]/gm)?.length ?? 0;
}
