/**
 * The gateway's counters under their published names: one row a metric, filled from
 * a `GatewaySnapshot` at scrape. Called by `registry.ts`.
 *
 * prom-client's own classes count; these counts exist already, so each row is the
 * little that its registry asks of a metric: name, help, type and `get()`.
 */
import type { GatewaySnapshot, HistogramSnapshot, LabelledHistogram, Sample } from '../../src/core/metrics.ts';
import type { LabelCap } from './label-cap.ts';

interface Row {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly read: (snapshot: GatewaySnapshot) => readonly (Sample | LabelledHistogram)[];
}

const single = (value: number): Sample[] => [{ labels: [], value }];
const alone = (histogram: HistogramSnapshot): LabelledHistogram[] => [{ labels: [], histogram }];

function row(type: Row['type'], name: string, labels: readonly string[], help: string, read: Row['read']): Row {
  return { name: `sallyport_${name}`, help, type, labels, read };
}

const ROWS: readonly Row[] = [
  row(
    'histogram',
    'resolve_duration_seconds',
    ['outcome'],
    'Time to choose the session of a request.',
    (s) => s.resolveSeconds,
  ),
  row('counter', 'requests_total', ['pool', 'kind', 'outcome'], 'Proxied requests finished.', (s) => s.requests),
  row('counter', 'causes_total', ['cause'], 'How proxied requests ended.', (s) => s.causes),
  row('histogram', 'overhead_seconds', [], 'Time a proxied request spent in the gateway.', (s) =>
    alone(s.overheadSeconds),
  ),
  row(
    'histogram',
    'dial_duration_seconds',
    ['provider'],
    'Time to open a connection to an upstream.',
    (s) => s.dialSeconds,
  ),
  row(
    'histogram',
    'first_byte_seconds',
    ['provider'],
    'Time to the first byte of a response.',
    (s) => s.firstByteSeconds,
  ),
  row('counter', 'failovers_total', ['cause'], 'Attempts that moved to another session.', (s) => s.failovers),
  row('counter', 'probes_total', ['outcome'], 'Probes of sessions that ended.', (s) => s.probes),
  row('gauge', 'tunnels_active', ['pool'], 'Tunnels open now.', (s) => s.tunnelsActive),
  row('gauge', 'client_connections', [], 'Client connections open now.', (s) => single(s.clientConnections)),
  row(
    'counter',
    'bytes_total',
    ['pool', 'direction'],
    'Bytes relayed: in to clients, out to upstreams.',
    (s) => s.bytes,
  ),
  row('gauge', 'sessions', ['pool', 'state'], 'Sessions in the index.', (s) => s.sessions),
  row(
    'counter',
    'sticky_moves_total',
    ['reason'],
    'Sticky keys and accounts that moved to another session.',
    (s) => s.stickyMoves,
  ),
  row('counter', 'index_changes_total', ['kind'], 'Changes applied to the index.', (s) => s.indexChanges),
  row('histogram', 'index_apply_seconds', [], 'Time to apply one change to the index.', (s) =>
    alone(s.indexApplySeconds),
  ),
  row('counter', 'auth_failures_total', ['reason'], 'Proxied requests without a good key.', (s) => s.authFailures),
  row(
    'gauge',
    'event_loop_delay_seconds',
    ['stat'],
    'How late turns of the event loop of the gateway came since the last scrape.',
    (s) => (['p50', 'p99', 'max'] as const).map((stat) => ({ labels: [stat], value: s.eventLoopDelay[stat] })),
  ),
];

/** What prom-client's registry prints of a metric. */
export interface RegistryMetric {
  readonly name: string;
  readonly help: string;
  readonly type: Row['type'];
  readonly aggregator: 'sum';
  get(): Promise<{ name: string; help: string; type: string; aggregator: string; values: PrintedValue[] }>;
}

interface PrintedValue {
  readonly metricName: string;
  /** What differs within one histogram. */
  readonly labels: Readonly<Record<string, string | number>>;
  /** Everything else: the registry keeps the text of an object that it has seen, and most series stay. */
  readonly sharedLabels: Labels;
  readonly value: number;
}

type Labels = Readonly<Record<string, string>>;

const NONE: Labels = Object.freeze({});

/** One object for each set of label values, as often as it is asked for; as many as the label cap lets through. */
function createLabelSets(names: readonly string[]): (values: readonly string[]) => Labels {
  const known = new Map<string, Labels>();
  return (values) => {
    const key = values.join('\0');
    let labels = known.get(key);
    if (labels === undefined) {
      labels = Object.fromEntries(names.map((name, i) => [name, values[i] ?? '']));
      known.set(key, labels);
    }
    return labels;
  };
}

/** One registry metric a row; `current` answers the snapshot of the scrape under way. */
export function gatewayMetrics(current: () => GatewaySnapshot, cap: LabelCap): RegistryMetric[] {
  return ROWS.map(({ name, help, type, labels, read }) => {
    const labelSet = createLabelSets(labels);
    return {
      name,
      help,
      type,
      aggregator: 'sum',
      async get() {
        const values = cap(labels, read(current())).flatMap((sample) => {
          const sharedLabels = labelSet(sample.labels);
          return 'histogram' in sample
            ? printHistogram(name, sharedLabels, sample.histogram)
            : { metricName: name, labels: NONE, sharedLabels, value: sample.value };
        });
        return { name, help, type, aggregator: 'sum', values };
      },
    };
  });
}

/** Prometheus counts buckets cumulatively; the snapshot does not. */
function printHistogram(name: string, sharedLabels: Labels, histogram: HistogramSnapshot): PrintedValue[] {
  const values: PrintedValue[] = [];
  let cumulative = 0;
  for (const [i, count] of histogram.counts.entries()) {
    cumulative += count;
    values.push({
      metricName: `${name}_bucket`,
      labels: { le: histogram.bounds[i] ?? '+Inf' },
      sharedLabels,
      value: cumulative,
    });
  }
  values.push({ metricName: `${name}_sum`, labels: NONE, sharedLabels, value: histogram.sum });
  values.push({ metricName: `${name}_count`, labels: NONE, sharedLabels, value: cumulative });
  return values;
}
