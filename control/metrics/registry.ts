/**
 * The metrics page of one plane: its own counters and the process's defaults, in a
 * registry of its own, then the gateway's counters and the store's. Called by `plane.ts`.
 */
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { GatewaySnapshot } from '../../src/core/metrics.ts';
import type { StatementWatch } from '../store/statement-cache.ts';
import { gatewayPrinter } from './gateway-metrics.ts';
import { createLabelCap } from './label-cap.ts';
import { createStatementMetrics } from './statement-metrics.ts';

const RPC_BUCKETS = [0.5e-3, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 2.5, 5, 10];
const COMMIT_BUCKETS = [50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 500e-3, 1];

/** Gauges of prom-client that are named like counters, which promtool refuses; each repeats the sum of another. */
const MISNAMED_DEFAULTS = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

export interface PlaneMetrics {
  /** `code` is `ok` or a Connect code name. */
  observeRpc(method: string, code: string, seconds: number): void;
  observeCommit(seconds: number): void;
  /** Asked for each SQL text of the store who is told of its executions. */
  readonly watchStatement: StatementWatch;
  /** The page; rejects when the gateway does not answer. */
  render(): Promise<{ contentType: string; text: string }>;
}

export function createPlaneMetrics(version: string, snapshot: () => Promise<GatewaySnapshot>): PlaneMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED_DEFAULTS) registry.removeSingleMetric(name);
  const rpc = new Histogram({
    name: 'sallyport_rpc_duration_seconds',
    help: 'Duration of control calls.',
    labelNames: ['method', 'code'],
    buckets: RPC_BUCKETS,
    registers,
  });
  const commit = new Histogram({
    name: 'sallyport_store_commit_seconds',
    help: 'Duration of commits to the store.',
    buckets: COMMIT_BUCKETS,
    registers,
  });
  new Gauge({
    name: 'sallyport_build_info',
    help: 'What is running; the value is always 1.',
    labelNames: ['version', 'node'],
    registers,
  }).set({ version, node: process.version }, 1);
  const printGateway = gatewayPrinter(createLabelCap());
  const statements = createStatementMetrics();
  return {
    observeRpc: (method, code, seconds) => rpc.observe({ method, code }, seconds),
    observeCommit: (seconds) => commit.observe(seconds),
    watchStatement: statements.watch,
    async render() {
      const gateway = printGateway(await snapshot());
      const text = [await registry.metrics(), gateway, statements.print()].join('\n');
      return { contentType: registry.contentType, text };
    },
  };
}
