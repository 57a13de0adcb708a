/** What the soak asks of its load process, and what that answers: one JSON line each way, in order. */

/** A tunnel that is held; `name` is unique among those that are. */
export interface HeldName {
  readonly name: string;
  readonly authorization: string;
}

export interface LoadPlan {
  /** The gateway. */
  readonly port: number;
  /** Keep-alive connections of forward requests; each takes its authorizations in turn. */
  readonly lanes: readonly (readonly string[])[];
  readonly forwardsPerSecond: number;
  /** Of tunnels that are opened, carry one GET, and are closed. */
  readonly tunnelAuthorization: string;
  readonly tunnelsPerSecond: number;
}

export type SoakJob =
  | { readonly kind: 'begin'; readonly plan: LoadPlan }
  /** Opens tunnels and keeps them; answers when all are open. */
  | { readonly kind: 'hold'; readonly tunnels: readonly HeldName[] }
  /** From now on this tunnel may end. */
  | { readonly kind: 'expect cut'; readonly name: string }
  /** It must have ended within a second from now. */
  | { readonly kind: 'check cut'; readonly name: string }
  /** Whether faults of forward requests belong to the schedule from now on. */
  | { readonly kind: 'outage'; readonly open: boolean }
  /** What happened since the last one. */
  | { readonly kind: 'sample' }
  /** Starts nothing more, waits for what is under way, closes everything; answers the last interval. */
  | { readonly kind: 'end' };

/** What a stretch of the load came to. */
export interface Interval {
  readonly seconds: number;
  /** Forward requests with the right answer. */
  readonly forwards: number;
  /** Short tunnels whose every step was right. */
  readonly tunnels: number;
  /** GETs through held tunnels with the right answer. */
  readonly pings: number;
  /** Held tunnels now. */
  readonly held: number;
  /** Held tunnels that ended because the schedule revoked their session. */
  readonly cuts: number;
  /** Faults while the schedule had an upstream down. */
  readonly scheduled: number;
  /** All other faults, which there must be none of. */
  readonly unscheduled: number;
  /** Both kinds in words, with how often. */
  readonly faults: Readonly<Record<string, number>>;
  /** Seconds from when a forward request could first be sent to its whole answer. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export type SoakAnswer = Interval | { readonly done: true } | { readonly error: string };
