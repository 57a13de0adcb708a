/**
 * A wire: one connection's octets both ways, as the gateway sees it. Two kinds:
 *
 *   TcpWire     in clear, straight on a handle of libuv (`tcp-wire.ts`)
 *   StreamWire  over a socket of Node: TLS, names with several addresses, a Node without such handles
 *
 *   made ─▶ (connecting) ─▶ open ─▶ half-closed, either side ─▶ gone
 *                └──────────┴─ failed, destroyed, reset ──────▶ gone
 *
 * What comes in is told to the `receiver`, which changes as a connection goes through its
 * phases; that the wire is open, and that it is gone, to the one holder it was started for.
 */

/**
 * Gets what comes in. An object and no functions: one that is written where it is assigned to a field would be made in
 * the old generation (docs/decisions/0025).
 */
export interface Receiver {
  /** Octets as they come; they are lent until it returns: who keeps them asks `keep`, who writes them elsewhere `pass`. */
  onOctets(octets: Buffer): void;
  /** The peer finished its side. */
  onEnd(): void;
  /** The kernel has taken all that was written: writing may go on. */
  onDrain(): void;
}

/** Drops what comes. */
export const DISCARD: Receiver = {
  onOctets: () => undefined,
  onEnd: () => undefined,
  onDrain: () => undefined,
};

/** Whose wire it is, for all of its life. */
export interface WireHolder {
  /** It is open, TLS included; told of wires that were dialled. */
  onWireOpen(): void;
  /** It is gone. The last event, never within a call of the wire. */
  onWireClosed(): void;
}

export interface Wire {
  /** Nobody to begin with. */
  receiver: Receiver;
  /** Of the peer; empty and 0 where they are not known (any more). */
  readonly peer: { readonly address: string; readonly port: number };
  /** Octets so far. */
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Those written that the kernel has not taken yet. */
  readonly bytesWaiting: number;
  /** What was written waits for the kernel to take it. */
  readonly waits: boolean;
  /** Nothing is read, by `pause`. */
  readonly isPaused: boolean;
  /** It takes octets: it is neither ended by us nor gone. */
  readonly writable: boolean;
  /** The peer has finished its side, and that was told. */
  readonly ended: boolean;
  /** We have finished ours, and the kernel has taken all of it. */
  readonly finished: boolean;
  /** It is gone, or about to be. */
  readonly destroyed: boolean;
  /** The code of the error that ended it (`ECONNRESET`); null for none. */
  readonly failure: string | null;

  /** Begins to read, and tells from now on. Called once. */
  start(holder: WireHolder): void;
  /** Writes latin1 text, one character an octet; false: the kernel takes no more for now. */
  write(text: string): boolean;
  /** The same of octets, which nobody writes over until the kernel has taken them. */
  writeOctets(octets: Buffer): boolean;
  /** The same of octets that are lent to the caller. */
  writeLent(octets: Buffer): boolean;
  /** Text and lent octets behind it at once; together they are READ_BYTES at most. */
  join(text: string, octets: Buffer): boolean;
  /** What of the octets that this wire lent stands behind the first `from`; there are more than that. */
  behind(octets: Buffer, from: number): Buffer;
  /** Octets that this wire lent, as they can be kept beyond the turn. */
  keep(octets: Buffer): Buffer;
  /** Writes octets that this wire lent to another; false: that takes no more for now. */
  pass(octets: Buffer, to: Wire): boolean;
  pause(): void;
  resume(): void;
  /** Finishes our side behind what was written; it is gone once the peer has finished too. */
  end(): void;
  /** The same, but gone as soon as our side is finished. */
  endAndClose(): void;
  /** Gone at once; what the kernel has not taken is lost. */
  destroy(): void;
  /** Ends it with a reset: the peer sees a failure, and no end that it might take for a good one. */
  reset(): void;
  /**
   * Closes a paused wire, with its failure, if its peer has reset it. A wire that is not read tells nothing: it is not
   * polled, and neither a reset nor an end is seen. Whoever leaves one paused looks every `STALL_LOOK_MS`. An end stands
   * behind octets that are not read yet, and is found when its turn comes.
   */
  lookAtStalled(): void;
}

/** With two ticks of the wheel of deadlines: within a second. */
export const STALL_LOOK_MS = 800;

/** Whether a wire that is gone had finished both its sides; else the other wire of a pair must not end as if it had. */
export function endedWell({ failure, ended, finished }: Wire): boolean {
  return failure === null && ended && finished;
}
