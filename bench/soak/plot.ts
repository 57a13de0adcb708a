/** The picture of a soak: four panels over one axis of time, as SVG. */

import { type EChartsOption, init, type SeriesOption } from 'echarts';
import { meets } from '../lib/row.ts';
import { figure } from '../lib/table.ts';
import { lengthOf, MIB, memoryTrends, type Report, rateOf, verdicts } from './report.ts';
import type { Sample } from './sampler.ts';

const WIDTH = 1_200;
const HEIGHT = 1_180;
const LEFT = 78;
const RIGHT = 72;
const FIRST_PANEL = 152;
const PANEL = 190;
const GAP = 60;
const FONT = 'Helvetica, Arial, sans-serif';

const INK = '#1f2933';
const FAINT = '#6b7785';
const GRID = '#e8ecf0';
const BLUE = '#2563a8';
const TEAL = '#1b8a7a';
const AMBER = '#d98a1c';
const RED = '#c62f3b';
const WARM_UP = 'rgba(107, 119, 133, 0.09)';
const OUTAGE = 'rgba(217, 138, 28, 0.16)';

type Point = readonly [minutes: number, value: number];

interface Axis {
  readonly name: string;
  /** Where it begins and how it is divided: `near` begins as near as the values come, `whole` knows whole numbers only. */
  readonly scale: 'zero' | 'near' | 'whole' | 'log';
}

interface Line {
  readonly name: string;
  readonly colour: string;
  readonly points: readonly Point[];
  readonly right?: boolean;
  readonly dashed?: boolean;
  readonly step?: boolean;
  readonly bars?: boolean;
}

interface Panel {
  readonly title: string;
  readonly axes: readonly [left: Axis, right?: Axis];
  readonly lines: readonly Line[];
}

/** Draws it; needs at least one sample. */
export function plot(report: Report): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  const panels = panelsOf(report);
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: FONT, color: INK },
    title: [heading(report), ...panels.map(({ title }, n) => panelTitle(title, n))],
    legend: panels.map(({ lines }, n) => ({
      data: lines.map(({ name }) => name),
      top: top(n) - 32,
      right: RIGHT,
      icon: 'roundRect',
      itemWidth: 16,
      itemHeight: 4,
      itemGap: 18,
      textStyle: { color: FAINT, fontSize: 12 },
    })),
    grid: panels.map((_, n) => ({ left: LEFT, right: RIGHT, top: top(n), height: PANEL })),
    xAxis: panels.map((_, n) => timeAxis(report, n, n === panels.length - 1)),
    yAxis: panels.flatMap(({ axes }, n) => [valueAxis(axes[0], n, 'left'), valueAxis(axes[1], n, 'right')]),
    series: panels.flatMap(({ lines }, n) => [...lines.map((line) => series(line, n)), shades(report, n)]),
  } as EChartsOption);
  const svg = chart.renderToSVGString();
  chart.dispose();
  return `${svg}\n`;
}

function panelsOf(report: Report): Panel[] {
  const { samples, schedule, saturating } = report;
  const { line, robust } = memoryTrends(report);
  const over = (pick: (sample: Sample) => number) => samples.map((sample): Point => [sample.at / 60, pick(sample)]);
  const fitted = [schedule.warmUp, samples.at(-1)?.at ?? 0].map(
    (at): Point => [at / 60, line.intercept + line.slope * at],
  );
  const hourly = (perSecond: number) => signed(perSecond * 3_600);
  const slope = `${hourly(line.slope)} MiB/h (${hourly(line.low)} to ${hourly(line.high)}), Theil–Sen ${hourly(robust.slope)}`;
  const rest = report.after === null ? 'not seen' : String(report.after.descriptors);
  return [
    {
      title: `Resident memory: ${slope}`,
      axes: [{ name: 'MiB', scale: 'near' }],
      lines: [
        { name: 'RSS', colour: BLUE, points: over(({ rss }) => rss / MIB) },
        { name: 'least squares after warm-up', colour: RED, points: fitted, dashed: true },
      ],
    },
    {
      title: `Open descriptors: at rest ${report.before.descriptors} before, ${rest} after`,
      axes: [
        { name: 'descriptors', scale: 'zero' },
        { name: 'tunnels', scale: 'whole' },
      ],
      lines: [
        { name: 'descriptors', colour: BLUE, points: over(({ descriptors }) => descriptors) },
        { name: 'held tunnels', colour: TEAL, points: over(({ held }) => held), right: true },
      ],
    },
    {
      title: `Forward requests: half of the saturating ${figure(saturating, 0)} a second`,
      axes: [
        { name: 'req/s', scale: 'zero' },
        { name: 'ms', scale: 'log' },
      ],
      lines: [
        { name: 'rate', colour: BLUE, points: over(rateOf) },
        { name: 'p50', colour: TEAL, points: over(({ p50 }) => p50 * 1e3), right: true },
        { name: 'p99', colour: AMBER, points: over(({ p99 }) => p99 * 1e3), right: true },
      ],
    },
    {
      title: `Churn: ${figure(samples.at(-1)?.changes ?? 0, 0)} changes of sessions under traffic; errors`,
      axes: [
        { name: 'sessions', scale: 'zero' },
        { name: 'errors', scale: 'whole' },
      ],
      lines: [
        { name: 'sessions in the pool', colour: BLUE, points: over(({ sessions }) => sessions), step: true },
        {
          name: 'errors by schedule',
          colour: AMBER,
          points: over(({ scheduled }) => scheduled),
          right: true,
          bars: true,
        },
        { name: 'errors', colour: RED, points: over(({ unscheduled }) => unscheduled), right: true, bars: true },
      ],
    },
  ];
}

function heading(report: Report) {
  const judged = verdicts(report).filter(({ goal }) => goal !== undefined);
  const missed = judged.filter((row) => !meets(row));
  const verdict = missed.length === 0 ? '✓ meets R14' : `✗ misses R14: ${missed.map(({ name }) => name).join('; ')}`;
  const { date, commit, node, cores, cpu } = report.setting;
  return {
    text: `Sallyport under half load for ${lengthOf(report)}`,
    subtext: [
      `{${missed.length === 0 ? 'met' : 'missed'}|${verdict}}`,
      `${date} UTC · commit ${commit} · Node ${node} · ${cores} × ${cpu} · grey: warm-up · amber: an upstream is down by schedule`,
    ].join('\n'),
    left: LEFT,
    top: 18,
    itemGap: 10,
    textStyle: { fontSize: 22, fontWeight: 600, color: INK },
    subtextStyle: {
      fontSize: 12,
      lineHeight: 19,
      color: FAINT,
      rich: {
        met: { color: TEAL, fontSize: 14, fontWeight: 600, lineHeight: 22 },
        missed: { color: RED, fontSize: 14, fontWeight: 600, lineHeight: 22 },
      },
    },
  };
}

const top = (panel: number) => FIRST_PANEL + panel * (PANEL + GAP);

function panelTitle(text: string, panel: number) {
  return { text, left: LEFT, top: top(panel) - 36, textStyle: { fontSize: 14, fontWeight: 600, color: INK } };
}

function timeAxis({ samples }: Report, panel: number, last: boolean) {
  return {
    type: 'value',
    gridIndex: panel,
    min: 0,
    max: (samples.at(-1)?.at ?? 0) / 60,
    containShape: false, // bars would make room for themselves, and this panel's time unlike the others'
    name: last ? 'minutes' : '',
    nameLocation: 'middle',
    nameGap: 28,
    nameTextStyle: { color: FAINT },
    axisLine: { onZero: false, lineStyle: { color: FAINT } },
    axisTick: { show: last },
    axisLabel: { show: last, color: FAINT, showMaxLabel: false },
    splitLine: { show: false },
  };
}

function valueAxis(axis: Axis | undefined, panel: number, position: 'left' | 'right') {
  return {
    type: axis?.scale === 'log' ? 'log' : 'value',
    gridIndex: panel,
    position,
    show: axis !== undefined,
    scale: axis?.scale === 'near',
    name: axis?.name ?? '',
    nameLocation: 'middle',
    nameGap: position === 'left' ? 50 : 40,
    nameTextStyle: { color: FAINT },
    splitNumber: 4,
    ...(axis?.scale === 'whole' && { min: 0, minInterval: 1 }),
    axisLabel: { color: FAINT },
    splitLine: { show: position === 'left', lineStyle: { color: GRID } },
  };
}

function series({ name, colour, points, right, dashed, step, bars }: Line, panel: number): SeriesOption {
  const common = {
    name,
    xAxisIndex: panel,
    yAxisIndex: panel * 2 + (right ? 1 : 0),
    data: points.map(([at, value]) => [at, value]),
    itemStyle: { color: colour },
  };
  if (bars) return { ...common, type: 'bar', barWidth: 3, barGap: '-100%' };
  return {
    ...common,
    type: 'line',
    symbol: 'none',
    ...(step && { step: 'end' as const }),
    lineStyle: { color: colour, width: dashed ? 1.8 : 1.4, type: dashed ? 'dashed' : 'solid' },
  };
}

/** The warm-up and the outages, behind the lines. */
function shades({ schedule, outages, samples }: Report, panel: number): SeriesOption {
  const end = samples.at(-1)?.at ?? 0;
  const area = (from: number, to: number, color: string) => [
    { xAxis: from / 60, itemStyle: { color } },
    { xAxis: Math.min(to, end) / 60 },
  ];
  return {
    type: 'line',
    xAxisIndex: panel,
    yAxisIndex: panel * 2,
    data: [],
    markArea: {
      silent: true,
      data: [area(0, schedule.warmUp, WARM_UP), ...outages.map(({ from, to }) => area(from, to, OUTAGE))],
    },
  } as SeriesOption;
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${figure(Math.abs(value), 2)}`;
}
