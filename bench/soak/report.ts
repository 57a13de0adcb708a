/** What a soak came to: as data, as it stands in the JSON file; and its verdicts. */

import { type Row, rowOf } from '../lib/row.ts';
import type { Setting } from '../lib/setting.ts';
import { spread } from '../lib/statistics.ts';
import { figure } from '../lib/table.ts';
import type { Sample } from './sampler.ts';
import { quietPeriodAt, type Schedule } from './schedule.ts';
import { leastSquares, type Trend, theilSen } from './trend.ts';

export interface Span {
  readonly from: number;
  readonly to: number;
}

/** The process without load: after the saturating rate was measured, and after the soak. */
export interface AtRest {
  readonly descriptors: number;
  /** Bytes. */
  readonly rss: number;
}

export interface Report {
  readonly setting: Setting;
  readonly schedule: Schedule;
  /** Forward requests a second in a closed loop, and the half of it that the soak sent. */
  readonly saturating: number;
  readonly asked: number;
  readonly samples: readonly Sample[];
  /** When the weak upstream was down, and a moment longer; seconds since the load began. */
  readonly outages: readonly Span[];
  readonly before: AtRest;
  readonly after: AtRest | null;
  /** Calls of the API that failed, and whatever ended the soak early. */
  readonly complaints: readonly string[];
}

export const MIB = 1_048_576;
const SECONDS_PER_HOUR = 3_600;
/** MiB an hour. */
const SLOPE_GOAL = 1;

/** How long the load went on, in words. */
export function lengthOf({ samples }: Report): string {
  const minutes = (samples.at(-1)?.at ?? 0) / 60;
  return `${figure(minutes, minutes < 10 ? 1 : 0)} minutes`;
}

/** Of memory after the warm-up, MiB over seconds. */
export function memoryTrends(report: Report): { readonly line: Trend; readonly robust: Trend } {
  const counted = warm(report);
  const at = counted.map((sample) => sample.at);
  const mebibytes = counted.map(({ rss }) => rss / MIB);
  return { line: leastSquares(at, mebibytes), robust: theilSen(at, mebibytes) };
}

export function warm({ samples, schedule }: Report): readonly Sample[] {
  return samples.filter(({ at }) => at >= schedule.warmUp);
}

/** The rows of the table. */
export function verdicts(report: Report): Row[] {
  const counted = warm(report);
  const { line, robust } = memoryTrends(report);
  const of = (pick: (sample: Sample) => number) => counted.map(pick);
  const total = (pick: (sample: Sample) => number) => [report.samples.reduce((sum, sample) => sum + pick(sample), 0)];
  const none = { id: 'R14', atMost: 0 };
  const { before, after } = report;
  const left = (after?.descriptors ?? Number.NaN) - before.descriptors;
  const unscheduled = total((sample) => sample.unscheduled)[0]! + report.complaints.length;
  return [
    slopeRow('slope', 'RSS, slope after warm-up, least squares', line, SLOPE_GOAL),
    slopeRow('slope-robust', 'RSS, slope after warm-up, Theil–Sen', robust),
    rowOf(
      'rss',
      'RSS after warm-up',
      'MiB',
      of(({ rss }) => rss / MIB),
    ),
    rowOf('rss-rest', 'RSS at rest, after the soak less before', 'MiB', [
      (after?.rss ?? Number.NaN) / MIB - before.rss / MIB,
    ]),
    rowOf('descriptors', 'descriptors at rest, after the soak less before', '', [left], none),
    rowOf('descriptors-phase', 'descriptors in the quiet part, last period less second', '', [phaseGrowth(report)]),
    rowOf('unscheduled', 'errors outside the schedule', '', [unscheduled], none),
    rowOf(
      'scheduled',
      'errors while an upstream was down by schedule',
      '',
      total(({ scheduled }) => scheduled),
    ),
    rowOf('failovers', 'attempts that moved to another session', '', [report.samples.at(-1)?.failovers ?? 0]),
    rowOf(
      'cuts',
      'held tunnels ended by schedule',
      '',
      total(({ cuts }) => cuts),
    ),
    rowOf('changes', 'changes of sessions', '', [report.samples.at(-1)?.changes ?? 0]),
    rowOf(
      'forwards',
      'forward requests answered right',
      '',
      total(({ forwards }) => forwards),
    ),
    rowOf(
      'tunnels',
      'short tunnels, each with a GET',
      '',
      total(({ tunnels }) => tunnels),
    ),
    rowOf('rate', `forward rate (saturating ${figure(report.saturating, 0)})`, '/s', of(rateOf)),
    rowOf(
      'p50',
      'p50 of each interval',
      'ms',
      of(({ p50 }) => p50 * 1e3),
    ),
    rowOf(
      'p99',
      'p99 of each interval',
      'ms',
      of(({ p99 }) => p99 * 1e3),
    ),
    rowOf(
      'delay',
      'delay of the event loop, p99 of each interval',
      'ms',
      of(({ delayP99 }) => delayP99 * 1e3),
    ),
    rowOf(
      'busy',
      'cores that the product kept busy',
      '',
      of(({ busy }) => busy),
    ),
    rowOf(
      'strangers',
      'cores that others kept busy',
      '',
      of(({ strangers }) => strangers),
    ),
  ];
}

export const rateOf = ({ forwards, seconds }: Sample) => forwards / seconds;

/** Faults in words with how often, and complaints. */
export function faults({ samples, complaints }: Report): string[] {
  const counts = new Map<string, number>();
  for (const each of samples) {
    for (const [what, count] of Object.entries(each.faults)) counts.set(what, (counts.get(what) ?? 0) + count);
  }
  return [...[...counts].map(([what, count]) => `${figure(count, 0)} × ${what}`), ...complaints];
}

function slopeRow(id: string, name: string, { slope, low, high }: Trend, atMost?: number): Row {
  const [median, min, max] = [slope, low, high].map((perSecond) => perSecond * SECONDS_PER_HOUR);
  const goal = atMost === undefined ? {} : { goal: { id: 'R14', atMost } };
  return { id, name, unit: 'MiB/h', median: median!, min: min!, max: max!, ...goal };
}

/** Like with like: the same quiet part, of the first period after the warm-up and of the last that was whole. */
function phaseGrowth({ samples, schedule }: Report): number {
  const quiet = Map.groupBy(samples, ({ at }) => quietPeriodAt(schedule, at));
  const middle = (period: number) => spread((quiet.get(period) ?? []).map(({ descriptors }) => descriptors)).median;
  const last = Math.max(...[...quiet.keys()].filter((period) => period !== null));
  return last > 1 ? middle(last) - middle(1) : Number.NaN;
}
