/**
 * The gateway's counters under their published names: one row a metric, read from a
 * `GatewaySnapshot` at scrape. Called by `registry.ts`.
 */
import type { GatewaySnapshot, HistogramSnapshot, LabelledHistogram, Sample } from '../../src/core/metrics.ts';
import { createPrinter, type Family, type Samples } from './exposition.ts';
import type { LabelCap } from './label-cap.ts';

interface Row extends Family {
  readonly read: (snapshot: GatewaySnapshot) => Samples;
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

/** Writes the lines of a snapshot. */
export function gatewayPrinter(cap: LabelCap): (snapshot: GatewaySnapshot) => string {
  const printers = ROWS.map((row) => {
    const print = createPrinter(row);
    return (snapshot: GatewaySnapshot) => print(cap(row.labels, row.read(snapshot)));
  });
  return (snapshot) => printers.map((print) => print(snapshot)).join('\n');
}
