/** `sallyport status`: whether it runs, what it carries, and what goes wrong, at one look. */
import type { Command } from 'commander';
import { type MetricsPage, readMetrics } from '../../client/metrics-page.ts';
import { addCommand, type Call } from './command.ts';
import { CommandFailure, codeOf, EXIT, stranger, unreachable } from './failure.ts';
import type { CommandHost } from './host.ts';
import { bytesText, durationText } from './output.ts';
import { detailsText, tableText } from './print-table.ts';

/** Pools and causes that are told of. */
const MOST = 10;

export function addStatusCommand(program: Command, host: CommandHost): void {
  addCommand(
    program,
    'status',
    { help: 'say whether it runs, what it carries and what goes wrong', example: 'status' },
    host,
    status,
  );
}

async function status({ operator, out }: Call): Promise<void> {
  const { url } = operator;
  const [ready, metrics] = await Promise.all([get(`${url}/readyz`), get(`${url}/metrics`)]);
  const page = readMetrics(metrics.text);
  if (page.label('sallyport_build_info', 'version') === '') throw stranger(url, `HTTP ${metrics.status}`);
  const isReady = ready.status === 200;
  out.tell({ url, ready: isReady, ...summaryOf(page), pools: poolsOf(page), causes: causesOf(page) });
  out.say(detailsText(detailsOf(url, isReady, page)));
  out.say(`\n${tableText(poolsOf(page), POOL_COLUMNS, 'No request has come through a pool yet.')}`);
  const causes = causesOf(page);
  if (causes.length > 0) out.say(`\n${tableText(causes, CAUSE_COLUMNS, '')}`);
  if (!isReady) throw new CommandFailure(EXIT.refused, 'it is not ready: it loads its index, or it drains');
}

async function get(url: string): Promise<{ readonly status: number; readonly text: string }> {
  try {
    const response = await fetch(url);
    return { status: response.status, text: await response.text() };
  } catch (error) {
    throw unreachable(new URL(url).origin, codeOf(error));
  }
}

function summaryOf(page: MetricsPage) {
  const requests = page.sum('sallyport_requests_total');
  return {
    version: page.label('sallyport_build_info', 'version'),
    uptimeSeconds: Date.now() / 1_000 - page.sum('process_start_time_seconds'),
    sessions: page.sum('sallyport_sessions'),
    requests,
    failed: requests - page.sum('sallyport_requests_total', { outcome: 'ok' }),
    clientConnections: page.sum('sallyport_client_connections'),
    tunnels: page.sum('sallyport_tunnels_active'),
    residentBytes: page.sum('process_resident_memory_bytes'),
  };
}

function detailsOf(url: string, isReady: boolean, page: MetricsPage): (readonly [string, string])[] {
  const { version, uptimeSeconds, sessions, requests, failed, clientConnections, tunnels, residentBytes } =
    summaryOf(page);
  const n = (count: number) => count.toLocaleString('en');
  const seconds = Math.max(0, Math.round(uptimeSeconds));
  return [
    ['server', url],
    ['state', isReady ? 'ready' : 'not ready'],
    ['version', version],
    ['up', durationText({ $typeName: 'google.protobuf.Duration', seconds: BigInt(seconds), nanos: 0 })],
    ['memory', bytesText(residentBytes)],
    ['sessions', n(sessions)],
    ['requests', `${n(requests)}, ${n(failed)} of them failed`],
    ['open now', `${n(clientConnections)} client connections, ${n(tunnels)} tunnels`],
  ];
}

type PoolLine = {
  readonly pool: string;
  readonly healthy: number;
  readonly other: number;
  readonly requests: number;
  readonly failed: number;
};

/** The busiest pools. */
function poolsOf(page: MetricsPage): PoolLine[] {
  const names = new Set([
    ...page.by('sallyport_sessions', 'pool').keys(),
    ...page.by('sallyport_requests_total', 'pool').keys(),
  ]);
  names.delete('');
  const lines = [...names].map((pool) => {
    const all = page.sum('sallyport_sessions', { pool });
    const healthy = page.sum('sallyport_sessions', { pool, state: 'eligible' });
    const requests = page.sum('sallyport_requests_total', { pool });
    const failed = requests - page.sum('sallyport_requests_total', { pool, outcome: 'ok' });
    return { pool, healthy, other: all - healthy, requests, failed };
  });
  return lines.sort((a, b) => b.requests - a.requests || a.pool.localeCompare(b.pool)).slice(0, MOST);
}

const POOL_COLUMNS = [
  { title: 'POOL', value: ({ pool }: PoolLine) => pool },
  { title: 'HEALTHY', value: ({ healthy }: PoolLine) => healthy },
  { title: 'NOT', value: ({ other }: PoolLine) => other },
  { title: 'REQUESTS', value: ({ requests }: PoolLine) => requests },
  { title: 'FAILED', value: ({ failed }: PoolLine) => failed },
];

/** What requests failed of most. */
function causesOf(page: MetricsPage): { cause: string; count: number }[] {
  return [...page.by('sallyport_causes_total', 'cause')]
    .map(([cause, count]) => ({ cause, count }))
    .sort((a, b) => b.count - a.count)
    .slice(0, MOST);
}

const CAUSE_COLUMNS = [
  { title: 'FAILED OF', value: ({ cause }: { cause: string }) => cause },
  { title: 'TIMES', value: ({ count }: { count: number }) => count },
];
