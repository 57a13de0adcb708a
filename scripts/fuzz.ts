/**
 * `npm run fuzz`: the fuzzers by hand and in CI.
 *
 *   node scripts/fuzz.ts [--count 50000] [--seed 1] [--from 0] [--judges llhttp,h11,…]
 *   node scripts/fuzz.ts --parsers [--count 200000] [--seed 1] [--from 0] [--workers 2]
 *
 * The first: mutated requests through the gateway, and what it emits read by every judge
 * that the machine has. The second: every parser of ours, on its own. Input n of a seed is
 * always the same, so `--from` goes on where a run ended. Ends with 1 when anything was found.
 */
import { parseArgs } from 'node:util';
import { runDifferential, streamOf, tryStream } from '../test/fuzz/differential.ts';
import { GatewayReader } from '../test/fuzz/expectation.ts';
import { blindSpots } from '../test/fuzz/judges/awake.ts';
import { JUDGE_NAMES, startJudges } from '../test/fuzz/judges/bench.ts';
import type { Disagreement, Judge } from '../test/fuzz/judges/judge.ts';
import { LANE_KEY, Lane } from '../test/fuzz/lane.ts';
import { quote } from '../test/fuzz/meaning.ts';
import { minimise } from '../test/fuzz/minimise.ts';
import { runParsers } from '../test/fuzz/parser-run.ts';

/** Share of the inputs that a sound gateway accepts at least. */
const MIN_ACCEPTED = 0.25;
const ENOUGH_TO_TELL = 1_000;
/** Findings that are minimised and shown; the rest is counted. */
const SHOWN = 5;

const { values: args } = parseArgs({
  options: {
    parsers: { type: 'boolean', default: false },
    count: { type: 'string' },
    seed: { type: 'string', default: '1' },
    from: { type: 'string', default: '0' },
    judges: { type: 'string', default: JUDGE_NAMES.join() },
    workers: { type: 'string', default: '2' },
  },
});
const seed = wholeNumber('seed', args.seed);
const from = wholeNumber('from', args.from);

function wholeNumber(name: string, text: string): number {
  if (!/^[0-9]{1,12}$/.test(text)) throw new Error(`--${name} must be a whole number`);
  return Number(text);
}

function progressBar(count: number): (done: number) => void {
  const startedMs = performance.now();
  if (!process.stderr.isTTY) return () => undefined;
  return (done) => {
    const seconds = (performance.now() - startedMs) / 1_000;
    const bar = '#'.repeat(Math.round((40 * done) / count)).padEnd(40, '.');
    process.stderr.write(`\r${bar} ${done} of ${count}, ${Math.round(done / seconds)}/s ${done === count ? '\n' : ''}`);
  };
}

async function fuzzRequests(count: number): Promise<number> {
  const { judges, missing } = await startJudges(args.judges.split(','));
  for (const name of missing) console.log(`NOT ASKED, as this machine does not have it: ${name}`);
  console.log(`judges: the RFC checker; ${judges.map(({ version }) => version).join('; ')}`);
  try {
    for (const spot of await blindSpots(judges)) throw new Error(`does not judge ${spot}`);
    const startedMs = performance.now();
    const report = await runDifferential({ seed, from, count, judges, onProgress: progressBar(count) });
    const seconds = (performance.now() - startedMs) / 1_000;
    const { accepted, requests, disagreements } = report;
    console.log(
      `seed ${seed}, inputs ${from} to ${from + count - 1}: ${accepted} accepted, ${requests} requests emitted`,
    );
    console.log(`${Math.round(count / seconds)} inputs a second; go on with --seed ${seed} --from ${from + count}`);
    for (const { name, limitsMet } of judges) {
      for (const [reason, times] of limitsMet) console.log(`  ${name} was not asked ${times} times: ${reason}`);
    }
    console.log(`${disagreements.length} disagreements`);
    for (const one of disagreements.slice(0, SHOWN)) await show(one, judges);
    // A gateway that refuses everything disagrees with nobody; of a few inputs all may deserve it.
    if (count >= ENOUGH_TO_TELL && accepted < count * MIN_ACCEPTED) {
      throw new Error('too few inputs were accepted to say anything');
    }
    return disagreements.length;
  } finally {
    for (const judge of judges) await judge.close();
  }
}

/** Prints a finding with the shortest stream that still shows one of its judge. */
async function show({ judge: name, input, octets, difference }: Disagreement, judges: readonly Judge[]): Promise<void> {
  console.log(`\ninput ${input}: ${name}: ${difference}\n  ${quote(octets)}`);
  const lane = await Lane.start();
  const reader = new GatewayReader(LANE_KEY);
  const judge = judges.filter((one) => one.name === name);
  const fails = async (stream: string): Promise<boolean> => {
    const { cases, disagreements } = await tryStream(lane, reader, input, stream);
    if (disagreements.some((one) => one.judge === name)) return true;
    const found = await Promise.all(judge.map((one) => one.judge(cases)));
    return found.flat().length > 0;
  };
  try {
    const stream = streamOf(seed, input, lane.authorization);
    console.log(`  shortest: ${quote(await minimise(stream, fails))}`);
  } finally {
    await lane.close();
  }
}

async function fuzzParsers(count: number): Promise<number> {
  const workers = wholeNumber('workers', args.workers);
  const report = await runParsers({ seed, from, count, workers, onProgress: progressBar(count) });
  const { inputs, slowestMs, findings } = report;
  console.log(`seed ${seed}, inputs ${from} to ${from + count - 1} of ${Object.keys(inputs).length} parsers`);
  for (const [parser, times] of Object.entries(inputs)) {
    console.log(`  ${parser}: ${times}, slowest ${slowestMs[parser]!.toFixed(2)} ms`);
  }
  for (const finding of findings)
    console.log(`${finding.parser}, input ${finding.input}: ${finding.fault}\n  ${finding.shown}`);
  console.log(`${findings.length} findings; go on with --seed ${seed} --from ${from + count}`);
  return findings.length;
}

const count = wholeNumber('count', args.count ?? (args.parsers ? '200000' : '50000'));
const found = args.parsers ? await fuzzParsers(count) : await fuzzRequests(count);
process.exitCode = found > 0 ? 1 : 0;
