/**
 * The differential fuzz: streams made from a seed go through the gateway, and what it
 * emitted for each must mean, to every judge, what its reader said it accepted.
 *
 *   stream ─▶ our reader ───────────────▶ expected ─┐
 *      └────▶ gateway ─▶ octets emitted ─▶ judges ──┴─▶ 0 differences
 *
 * The gateway's own side is judged here: nothing lost, doubled or left hanging, as many
 * answers as requests, and an input that the RFC's grammar reads in the same way.
 */
import { acceptedByRfc, type Expectation, type ExpectedRequest, GatewayReader } from './expectation.ts';
import type { Case, Disagreement, Judge } from './judges/judge.ts';
import { LANE_KEY, Lane, type Outcome } from './lane.ts';
import { differenceOf, differenceOfMeaning } from './meaning.ts';
import { mutate } from './mutators.ts';
import { Random } from './random.ts';
import { validStream } from './requests.ts';
import { checkStream } from './rfc-checker.ts';

export interface DifferentialOptions {
  readonly seed: number;
  /** Number of the first input. */
  readonly from: number;
  readonly count: number;
  readonly judges: readonly Judge[];
  /** Called now and then with the number of inputs that are done. */
  readonly onProgress?: (done: number) => void;
}

export interface DifferentialReport {
  /** Inputs of which a request went upstream. */
  readonly accepted: number;
  /** Requests that went upstream. */
  readonly requests: number;
  readonly disagreements: readonly Disagreement[];
}

/** Gateways beside each other, which hide each other's waits. */
const LANES = 6;
/** Inputs that go to the judges together. */
const BATCH = 512;
/** A run ends early once it has found so much: the first few tell what is wrong. */
const MAX_DISAGREEMENTS = 50;

/** Input n of a seed. */
export function streamOf(seed: number, n: number, authorization: string): string {
  const random = new Random(seed, n);
  const valid = () => validStream(random, authorization);
  return mutate(random, valid(), valid);
}

export async function runDifferential(options: DifferentialOptions): Promise<DifferentialReport> {
  const { seed, from, count, judges, onProgress } = options;
  const lanes = await Promise.all(Array.from({ length: LANES }, () => Lane.start()));
  const reader = new GatewayReader(LANE_KEY);
  const disagreements: Disagreement[] = [];
  let accepted = 0;
  let requests = 0;
  try {
    for (let start = 0; start < count && disagreements.length < MAX_DISAGREEMENTS; start += BATCH) {
      const cases: Case[] = [];
      let next = start;
      const end = Math.min(count, start + BATCH);
      const work = async (lane: Lane): Promise<void> => {
        while (next < end) {
          const input = from + next++;
          const tried = await tryStream(lane, reader, input, streamOf(seed, input, lane.authorization));
          cases.push(...tried.cases);
          disagreements.push(...tried.disagreements);
          if (tried.requests > 0) accepted++;
          requests += tried.requests;
        }
      };
      await Promise.all(lanes.map(work));
      disagreements.push(...(await Promise.all(judges.map((judge) => judge.judge(cases)))).flat());
      onProgress?.(end);
    }
  } finally {
    await Promise.all(lanes.map((lane) => lane.close()));
  }
  return { accepted, requests, disagreements };
}

export interface Tried {
  /** What was emitted, for the judges. */
  readonly cases: readonly Case[];
  readonly disagreements: readonly Disagreement[];
  readonly requests: number;
}

/** Sends one stream through a lane. */
export async function tryStream(lane: Lane, reader: GatewayReader, input: number, stream: string): Promise<Tried> {
  const expected = reader.expect(stream);
  const outcome = await lane.run(stream, expected, cutOf(input, stream, expected));
  const fault = faultOf(expected, outcome) ?? misreadingOf(stream, expected.requests);
  const disagreements = fault === null ? [] : [{ judge: 'gateway', input, octets: stream, difference: fault }];
  const { cases, disagreement } = casesOf(input, expected, outcome);
  if (disagreement !== null && fault === null) disagreements.push(disagreement);
  return { cases, disagreements, requests: expected.requests.length };
}

/** Where every other stream is cut in two; one that is refused somewhere is not, as how much came behind a refusal decides what it ends. */
function cutOf(input: number, stream: string, { requests, answers }: Expectation): number {
  return input % 2 === 0 || requests.length !== answers ? 0 : new Random(stream.length, input).below(stream.length);
}

/** What went wrong between the two ends of the gateway, or null. */
function faultOf({ requests, answers }: Expectation, outcome: Outcome): string | null {
  if (outcome.hung) return 'the connection hangs';
  // The answer that opens a tunnel is the gateway's own.
  const relayed = requests.filter(({ method }) => method !== 'CONNECT');
  if (outcome.answered.length !== relayed.length) {
    return `${outcome.answered.length} relayed answers to ${relayed.length} requests (${outcome.statuses.join(' ')})`;
  }
  for (const [i, request] of relayed.entries()) {
    const difference = differenceOfMeaning(request, outcome.answered[i]!);
    if (difference !== null) return `answer ${i + 1} belongs to another request: ${difference}`;
  }
  if (outcome.lost > 0) return `${outcome.lost} requests upstream that nobody sent`;
  return outcome.statuses.length === answers ? null : `answers ${outcome.statuses.join(' ')} where ${answers} are due`;
}

/** Where the RFC's grammar reads the client's stream in another way than our reader, or null. Targets are compared at the upstream. */
function misreadingOf(stream: string, requests: readonly ExpectedRequest[]): string | null {
  const read = acceptedByRfc(stream, requests.length);
  if (typeof read === 'string') return `accepts what the RFC does not: ${read}`;
  for (const [i, { method, endToEnd, body }] of requests.entries()) {
    const wanted = { ...read[i]!, target: '' };
    const difference = differenceOfMeaning(wanted, { method, target: '', fields: endToEnd, body });
    if (difference !== null) return `reads request ${i + 1} in its own way: ${difference}`;
  }
  return null;
}

/** The emitted streams with what each must mean: the expected requests, shared out over them in order. */
function casesOf(
  input: number,
  expected: Expectation,
  { emitted }: Outcome,
): { cases: Case[]; disagreement: Disagreement | null } {
  const left = [...expected.requests];
  const cases: Case[] = [];
  for (const octets of emitted) {
    const read = checkStream(octets);
    const mine = left.splice(0, read.requests.length);
    const isLast = left.length === 0 && expected.unfinished && read.tail === 'partial';
    const reading = { requests: mine, tail: isLast ? 'partial' : 'nothing' } as const;
    const difference = differenceOf(reading, read);
    if (difference !== null) {
      return { cases, disagreement: { judge: 'rfc checker', input, octets, difference } };
    }
    cases.push({ input, octets, expected: reading });
  }
  if (left.length === 0) return { cases, disagreement: null };
  const difference = `${left.length} requests were never emitted`;
  return { cases, disagreement: { judge: 'rfc checker', input, octets: emitted.join(''), difference } };
}
