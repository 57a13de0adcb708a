/**
 * What a case of the bad-input catalogue is: octets of a client, and what must
 * come of them on both sides of the gateway. `b-framing.ts` and its neighbours
 * hold the cases, `../catalogue.test.ts` runs them.
 *
 * Octets are latin1 text. `{auth}` stands for the value of the client's
 * Proxy-Authorization, `{upstream}` for that of the session's.
 */
import { CAUSES, type Cause } from '../../../src/core/cause.ts';

/** One answer to the client. */
export interface Answer {
  readonly status: number;
  /** null: the upstream's 200, or our own to an OPTIONS. */
  readonly cause: Cause | null;
  /** Its body, where that is not the cause's own sentence. */
  readonly sentence?: string;
  /** The connection ends behind it. */
  readonly close: boolean;
  /** A session was chosen before it was given. */
  readonly placed: boolean;
}

export interface Expected {
  /** Each request as the upstream must have recorded it, exactly; each on a connection of its own. */
  readonly upstream: readonly string[];
  /** `exact`; or `broken`: no more than this, from its head on, ended by a reset. */
  readonly record: 'exact' | 'broken';
  readonly answers: readonly Answer[];
  /** What follows the answers: octets that came back through a tunnel. */
  readonly tunnelled: string;
  /** The last answer, when nothing is there behind the request yet, leaves the connection open for a retry. */
  readonly retry?: true;
}

export interface Case {
  /** As in the catalogue: B01. */
  readonly id: string;
  readonly name: string;
  readonly octets: string;
  readonly expected: Expected;
  /** A second, valid request is sent in the same breath, which must not be parsed. */
  readonly followed: boolean;
  /** What the upstream answers; a 200 that closes where it is not given. */
  readonly reply?: string;
  readonly source: string;
}

/** A row of the catalogue that needs more than octets, and has a test of this title elsewhere. */
export interface Elsewhere {
  readonly id: string;
  readonly file: string;
  readonly title: string;
}

/** The client's API key: short, so that heads are, and found by a scan in any form. */
export const KEY = 'Zk9qX7';

const AUTHORIZATION = 'Proxy-Authorization: {auth}\r\n';

/** A request head with credentials; `lines` go behind them, `body` behind the head. */
export function request(line: string, lines: readonly string[] = [], body = ''): string {
  return `${line} HTTP/1.1\r\nHost: a.test\r\n${AUTHORIZATION}${lines.map((one) => `${one}\r\n`).join('')}\r\n${body}`;
}

/** The same in HTTP/1.0. */
export function request10(line: string, lines: readonly string[] = [], body = ''): string {
  return request(line, lines, body).replace('HTTP/1.1', 'HTTP/1.0');
}

/** A plain request as it goes upstream: the target as it is written, then what travels, then ours. */
export function sent(line: string, lines: readonly string[] = [], body = ''): string {
  const host = /^[A-Z-]+ http:\/\/([^/?]*)/.exec(line)![1];
  const text = lines.map((one) => `${one}\r\n`).join('');
  return `${line} HTTP/1.1\r\nHost: ${host}\r\n${text}Proxy-Authorization: {upstream}\r\n\r\n${body}`;
}

/** Our CONNECT, and what comes through it. */
export function connected(authority: string, data = ''): string {
  return `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\nProxy-Authorization: {upstream}\r\n\r\n${data}`;
}

const NOTHING = { upstream: [], record: 'exact', tunnelled: '' } as const;

/** The answer of a cause that ends the connection. */
export function refusal(cause: Cause, status: number = CAUSES[cause].status, placed = false): Answer {
  return { status, cause, close: true, placed };
}

export function ok(close = false): Answer {
  return { status: 200, cause: null, close, placed: true };
}

/** Exactly one answer, the end, and not an octet upstream. */
export function refused(cause: Cause, status?: number): Expected {
  return { ...NOTHING, answers: [refusal(cause, status)] };
}

/** Of a selector: as `refused`, in the sentence that names the key. */
export function misunderstood(sentence: string): Expected {
  return { ...NOTHING, answers: [{ ...refusal('selector_invalid'), sentence }] };
}

/** A 407 as `refused`, which a client may answer with its key when it sent nothing more. */
export function challenged(cause: 'auth_required' | 'auth_failed'): Expected {
  return { ...refused(cause), retry: true };
}

/** Goes upstream as these octets, once, and the connection goes on unless `close`. */
export function forwarded(upstream: string, close = false): Expected {
  return { ...NOTHING, upstream: [upstream], answers: [ok(close)] };
}

/** Several requests of one connection, or answers that differ from the upstream's. */
export function answered(upstream: readonly string[], ...answers: readonly Answer[]): Expected {
  return { ...NOTHING, upstream, answers };
}

/** The body breaks: answered, and upstream there is no more than `atMost`, cut by a reset. */
export function broken(atMost: string, cause: Cause = 'bad_request'): Expected {
  return { ...NOTHING, upstream: [atMost], record: 'broken', answers: [refusal(cause, undefined, true)] };
}

/** The tunnel opens, `data` goes through it and comes back. */
export function tunnelled(authority: string, data = ''): Expected {
  return { upstream: [connected(authority, data)], record: 'exact', answers: [ok()], tunnelled: data };
}

/** Makes the cases of one id; what is refused is followed by a request that must not be seen. */
export class Catalogue {
  readonly cases: Case[] = [];

  add(id: string, source: string, name: string, octets: string, expected: Expected, reply?: string): void {
    const followed = expected.answers.at(-1)?.close === true;
    this.cases.push({ id, source, name, octets, expected, followed, ...(reply === undefined ? {} : { reply }) });
  }

  /** As `add`, where what follows would belong to the body. */
  alone(id: string, source: string, name: string, octets: string, expected: Expected, reply?: string): void {
    this.add(id, source, name, octets, expected, reply);
    this.cases.push({ ...this.cases.pop()!, followed: false });
  }

  /** One expectation for a row of variants, each named as what varies. */
  each(
    id: string,
    source: string,
    variants: readonly string[],
    octetsOf: (variant: string) => string,
    expected: Expected,
  ): void {
    for (const variant of variants) this.add(id, source, variant, octetsOf(variant), expected);
  }
}
