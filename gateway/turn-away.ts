/**
 * Connections that are not taken: each gets its answer at once, before it has asked, and a moment to read it.
 * `server.ts` calls it for whom there is no room.
 *
 * Bound: as many at a time as `caps.ts` lets stay; whoever comes beyond that gets the answer and the end with it,
 * which a reset may take from a client that has written already. Nothing is read, and nothing but the answer written.
 */
import { CAUSES, type Cause } from '../src/core/cause.ts';
import type { GatewayContext } from './context.ts';
import { Deadline } from './deadlines.ts';
import { Exchange } from './exchange.ts';
import type { Door } from './listeners.ts';
import { answerOf } from './respond.ts';
import type { Wire, WireHolder } from './wire/wire.ts';

/** How long what a client sends is read and dropped, as a reset would take our answer from it. */
const LINGER_MS = 1_000;

/** Answers with the cause, and ends the connection. */
export function turnAway(context: GatewayContext, wire: Wire, door: Door, cause: Cause): void {
  const { address, port } = wire.peer;
  const exchange = new Exchange(context, 'forward', '', null, `${address}:${port}`);
  exchange.status = CAUSES[cause].status;
  // A handshake would be work that we have no room for, and before it nothing can be said.
  const text = door.secureContext === null ? answerOf(cause, exchange, { close: true }) : '';
  exchange.bytesIn += text.length;
  exchange.finish(cause);
  const lingers = context.caps.turnAway();
  wire.start(lingers ? new TurnedAway(context, wire) : UNHEARD);
  if (text !== '') wire.write(text);
  if (lingers) wire.end();
  else wire.endAndClose();
}

/** Of a connection that nobody waits for. */
const UNHEARD: WireHolder = { onWireOpen: () => undefined, onWireClosed: () => undefined };

/** One that has its answer and stays a moment. */
class TurnedAway implements WireHolder {
  readonly #context: GatewayContext;
  readonly #deadline: Deadline;

  constructor(context: GatewayContext, wire: Wire) {
    this.#context = context;
    this.#deadline = new Deadline(context.deadlines, () => wire.destroy());
    this.#deadline.arm(LINGER_MS);
  }

  onWireOpen(): void {}

  onWireClosed(): void {
    this.#context.caps.turnedAway();
    this.#deadline.release();
  }
}
