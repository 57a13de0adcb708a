/**
 * The composition root: both planes, wired. The gateway runs on this thread; the
 * control plane runs on a worker of the same process, so that decoding, sealing
 * and syncing to disk never stall a tunnel (docs/decisions/0002).
 *
 *   control thread ── apply(changes) ──▶ gateway's index ── done ──▶ the RPC answers
 *
 * The only importer of both planes. `startApp` answers when the store is loaded
 * and every listener is open.
 */
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Bootstrap as Bootstrapped } from '../control/bootstrap.ts';
import type { GatewayPort } from '../control/ports.ts';
import type { ControlMethods } from '../control/worker.ts';
import { Gateway } from '../gateway/server.ts';
import type { Config } from './config.ts';
import { systemClock } from './core/clock.ts';
import { keepYoungObjectsYoung } from './core/heap.ts';
import type { Logger } from './core/log.ts';
import { type Link, openLink } from './link.ts';
import { Rest } from './rest.ts';
import { loadEntrances } from './tls-files.ts';

/**
 * Of the control thread's heap, in MiB. V8 would take 48 of them where 4 do: bulk calls are as fast (30,000 sessions:
 * 2.1 s of CPU with 2, 4 and 8), and the process is 4 MiB smaller at rest than with 8.
 */
const YOUNG_GENERATION_MB = 4;

/** What a first start made: shown once, and kept in `bootstrap.json`. Ids in wire form (base64). */
export interface Bootstrap extends Bootstrapped {
  readonly controlUrl: string;
  readonly gatewayUrl: string;
  /** With the key and the pool `local` in it: the value for an `HTTP_PROXY`. */
  readonly proxyUrl: string;
}

export interface App {
  readonly controlUrl: string;
  readonly gatewayUrls: readonly string[];
  /** null but on the first start of a data directory. */
  readonly bootstrap: Bootstrap | null;
  /** Resolves with the error when a part that the process cannot do without has failed. */
  readonly failed: Promise<Error>;
  /** Tells everyone to leave, waits up to the grace, ends what is left. */
  drain(): Promise<void>;
  /** Ends everything; idempotent. */
  close(): Promise<void>;
}

/** What the control thread calls on this one: the port, without the promises. */
export type GatewayMethods = {
  readonly [name in keyof GatewayPort]: (
    argument: Parameters<GatewayPort[name]>[0],
  ) => Awaited<ReturnType<GatewayPort[name]>> | ReturnType<GatewayPort[name]>;
};

/** Starts both planes; rejects, with nothing left running, when either cannot start. */
export async function startApp(config: Config, log: Logger): Promise<App> {
  keepYoungObjectsYoung();
  const gateway = await Gateway.create({
    entrances: loadEntrances(config.entrances),
    clientRanges: config.clientRanges,
    limits: config.limits,
    revokeGraceMs: config.drainGraceMs,
    accessLog: config.accessLog,
    dnsServers: config.dnsServers,
    upstreamsAllowPrivate: config.upstreamsAllowPrivate,
    upstreamAuthorities: config.upstreamAuthorities,
    recordBindings: (batch) => control.link.call('recordBindings', batch),
    log,
    clock: systemClock,
  });
  const control = startControlThread(config, gateway);
  const rest = new Rest();
  rest.start();
  const close = async (): Promise<void> => {
    rest.close();
    await gateway.close();
    await control.close();
  };
  try {
    const { controlUrl, bootstrapped } = await control.link.call('start', undefined);
    gateway.guardPort(Number(new URL(controlUrl).port));
    const gatewayUrls = await gateway.listen();
    const bootstrap = bootstrapped && (await writeBootstrap(config.dataDir, bootstrapped, controlUrl, gatewayUrls[0]!));
    await control.link.call('ready', undefined);
    return {
      controlUrl,
      gatewayUrls,
      bootstrap,
      failed: control.failed,
      async drain() {
        await control.link.call('drain', undefined);
        gateway.announceDrain();
        await new Promise((resolve) => setTimeout(resolve, config.drainDelayMs));
        await gateway.drain(config.drainGraceMs);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

interface ControlThread {
  readonly link: Link<ControlMethods>;
  readonly failed: Promise<Error>;
  close(): Promise<void>;
}

function startControlThread(config: Config, gateway: Gateway): ControlThread {
  // Written like this for scripts/bundle.ts, which makes every such file an entry of its own.
  const worker = new Worker(new URL('../control/worker.ts', import.meta.url), {
    workerData: config,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
  });
  const methods: GatewayMethods = {
    apply: (changes) => gateway.apply(changes),
    stickyOverrides: (knownVersion) => gateway.stickyOverrides(knownVersion),
    restoreSticky: (entries) => gateway.restoreSticky(entries),
    snapshot: () => gateway.snapshot(),
    drainUsage: () => gateway.drainUsage(),
    findRequest: (requestId) => gateway.findRequest(requestId),
    listRequests: (query) => gateway.listRequests(query),
    sessionStates: (query) => gateway.sessionStates(query),
    explain: (query) => gateway.explain(query),
    leastAssigned: (query) => gateway.leastAssigned(query),
  };
  const link = openLink<ControlMethods>(worker, methods);
  const failed = Promise.withResolvers<Error>();
  const exited = Promise.withResolvers<void>();
  const fail = (error: Error): void => {
    link.sever(error);
    failed.resolve(error);
  };
  let closing: Promise<void> | null = null;
  worker.on('error', (error) => fail(error instanceof Error ? error : new Error('the control thread failed')));
  worker.on('exit', () => {
    fail(new Error('the control thread ended'));
    exited.resolve();
  });
  return {
    link,
    failed: failed.promise,
    close() {
      closing ??= link
        .call('close', undefined)
        // It failed or is gone already: then there is nothing left to close there.
        .catch(() => worker.terminate().then(() => undefined))
        .then(() => exited.promise);
      return closing;
    },
  };
}

/** Leaves `bootstrap.json` (0600) whole or not at all. */
async function writeBootstrap(
  dataDir: string,
  bootstrapped: Bootstrapped,
  controlUrl: string,
  gatewayUrl: string,
): Promise<Bootstrap> {
  const proxyUrl = gatewayUrl.replace('://', `://local:${bootstrapped.apiKey}@`);
  const bootstrap: Bootstrap = { ...bootstrapped, controlUrl, gatewayUrl, proxyUrl };
  const path = join(dataDir, 'bootstrap.json');
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(bootstrap, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  return bootstrap;
}
