/**
 * A thread that feeds parsers: takes a range of inputs, tells where it is through shared
 * memory (a thread that hangs can say nothing else), and posts its findings at the end.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { quote } from './meaning.ts';
import { MAX_INPUT, parserInput, parserOf } from './parser-inputs.ts';
import { timeAlone } from './parser-targets.ts';

export interface ParserWork {
  readonly seed: number;
  readonly from: number;
  readonly count: number;
  /** One 32-bit number: inputs that are done. */
  readonly done: SharedArrayBuffer;
}

export interface ParserFinding {
  readonly parser: string;
  readonly input: number;
  readonly fault: string;
  readonly shown: string;
}

export interface ParserResults {
  /** Inputs by parser. */
  readonly inputs: Record<string, number>;
  /** By parser; an input that took long once and not again counts by its best time. */
  readonly slowestMs: Record<string, number>;
  readonly findings: ParserFinding[];
}

/** S14: what an input of up to MAX_INPUT octets may cost. */
export const MAX_MS = 5;
/** A machine that does other things as well makes everything slow once, but not so often in a row. */
const RERUNS = 5;
/** What is found first tells enough. */
const MAX_FINDINGS = 50;

/** Asks the parser once: its fault, and the time that its check took. */
function ask(seed: number, n: number): { fault: string | null; ms: number } {
  const { target, octets, random } = parserInput(seed, n);
  const started = performance.now();
  try {
    return { fault: target.check(octets, random), ms: performance.now() - started };
  } catch (error) {
    return { fault: `throws ${error instanceof Error ? error.message : error}`, ms: 0 };
  }
}

/** Feeds the parsers with this range of inputs. */
export function feedParsers({ seed, from, count, done }: ParserWork): ParserResults {
  const results: ParserResults = { inputs: {}, slowestMs: {}, findings: [] };
  const progress = new Int32Array(done);
  for (let i = 0; i < count && results.findings.length < MAX_FINDINGS; i++) {
    const n = from + i;
    let { fault, ms } = ask(seed, n);
    for (let again = 0; ms > MAX_MS && again < RERUNS; again++) {
      const { target, octets, random } = parserInput(seed, n);
      ms = Math.min(ms, timeAlone(target, octets, random));
    }
    if (ms > MAX_MS) fault ??= `takes ${ms.toFixed(1)} ms for up to ${MAX_INPUT} octets`;
    const parser = parserOf(n);
    results.inputs[parser] = (results.inputs[parser] ?? 0) + 1;
    results.slowestMs[parser] = Math.max(results.slowestMs[parser] ?? 0, ms);
    if (fault !== null) {
      const shown = quote(parserInput(seed, n).octets.toString('latin1'));
      results.findings.push({ parser, input: n, fault, shown });
    }
    Atomics.store(progress, 0, i + 1);
  }
  return results;
}

parentPort?.postMessage(feedParsers(workerData as ParserWork));
