/** Runs the parser fuzz on threads, and finds out when one of them hangs. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { quote } from './meaning.ts';
import { parserInput, parserOf } from './parser-inputs.ts';
import type { ParserFinding, ParserResults, ParserWork } from './parser-worker.ts';

export interface ParserRun {
  readonly seed: number;
  readonly from: number;
  readonly count: number;
  readonly workers: number;
  readonly onProgress?: (done: number) => void;
}

/** No input takes a second (S13); a thread may have to wait for a core that much longer. */
const HANG_MS = 10_000;
const WATCH_MS = 250;

/** Shares the inputs out to threads; answers when all of them are through, or stopped for hanging. */
export async function runParsers({ seed, from, count, workers, onProgress }: ParserRun): Promise<ParserResults> {
  const share = Math.ceil(count / workers);
  const work: ParserWork[] = [];
  for (let start = 0; start < count; start += share) {
    const done = new SharedArrayBuffer(4);
    work.push({ seed, from: from + start, count: Math.min(share, count - start), done });
  }
  const report = setInterval(() => {
    onProgress?.(work.reduce((sum, { done }) => sum + Atomics.load(new Int32Array(done), 0), 0));
  }, WATCH_MS);
  const results = await Promise.all(work.map(runWorker));
  clearInterval(report);
  onProgress?.(count);
  return results.reduce(merge, { inputs: {}, slowestMs: {}, findings: [] });
}

async function runWorker(work: ParserWork): Promise<ParserResults> {
  const worker = new Worker(new URL('./parser-worker.ts', import.meta.url), { workerData: work });
  const progress = new Int32Array(work.done);
  let results: ParserResults | null = null;
  let failure = 'ended without a result';
  worker.on('message', (message: ParserResults) => {
    results = message;
  });
  worker.on('error', (error) => {
    failure = `ends its thread: ${error instanceof Error ? error.message : error}`;
  });
  let last = -1;
  let since = performance.now();
  const watch = setInterval(() => {
    const now = Atomics.load(progress, 0);
    if (now !== last) since = performance.now();
    else if (performance.now() - since > HANG_MS) {
      failure = `hangs for more than ${HANG_MS} ms`;
      void worker.terminate();
    }
    last = now;
  }, WATCH_MS);
  await once(worker, 'exit');
  clearInterval(watch);
  return results ?? { inputs: {}, slowestMs: {}, findings: [lastWords(work, Atomics.load(progress, 0), failure)] };
}

/** The input at which a thread ended. */
function lastWords({ seed, from }: ParserWork, done: number, fault: string): ParserFinding {
  const input = from + done;
  const shown = quote(parserInput(seed, input).octets.toString('latin1'));
  return { parser: parserOf(input), input, fault, shown };
}

function merge(a: ParserResults, b: ParserResults): ParserResults {
  const inputs = { ...a.inputs };
  const slowestMs = { ...a.slowestMs };
  for (const [parser, times] of Object.entries(b.inputs)) inputs[parser] = (inputs[parser] ?? 0) + times;
  for (const [parser, ms] of Object.entries(b.slowestMs)) slowestMs[parser] = Math.max(slowestMs[parser] ?? 0, ms);
  return { inputs, slowestMs, findings: [...a.findings, ...b.findings] };
}
