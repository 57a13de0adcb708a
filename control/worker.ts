/**
 * The control plane's thread: its entry, its log, and its end of the link to the
 * gateway's thread. `src/app.ts` starts it with the configuration as worker data.
 * Nothing opens before the other side calls `start`; an error that nobody can
 * answer is thrown, which ends this thread and tells the other side.
 */
import { constants, getPriority, setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import type { GatewayMethods } from '../src/app.ts';
import type { Config } from '../src/config.ts';
import type { RecordBindings } from '../src/core/account-binding.ts';
import { openLink } from '../src/link.ts';
import { startLogging } from '../src/logging.ts';
import { Rest } from '../src/rest.ts';
import { productVersion } from '../src/version.ts';
import type { Bootstrap } from './bootstrap.ts';
import { type ControlPlane, startControlPlane } from './plane.ts';
import type { GatewayPort } from './ports.ts';

/** What the gateway's thread calls on this one. */
export type ControlMethods = {
  /** Opens the store, loads it into the gateway, listens. */
  start: () => Promise<{ controlUrl: string; bootstrapped: Bootstrap | null }>;
  /** The gateway's listeners are open: ready. */
  ready: () => void;
  /** Which sessions the gateway has given to accounts. */
  recordBindings: RecordBindings;
  /** Not ready any more: calls are refused as unavailable; metrics and probes go on. */
  drain: () => void;
  /** Ends everything of this thread. */
  close: () => Promise<void>;
};

/** How much this thread stands back where the gateway's wants the same core: beside one that takes all of it, a tenth is left. */
const NICENESS = 10;

const config = workerData as Config;
// On Linux a priority is a thread's own, with those that it starts; elsewhere it is the process's, and is left alone.
if (process.platform === 'linux') setPriority(Math.min(constants.priority.PRIORITY_LOW, getPriority() + NICENESS));
const port = parentPort!;
const logging = startLogging(config);
const rest = new Rest();
let plane: ControlPlane | null = null;

const methods: ControlMethods = {
  async start() {
    const options = { ...config, listen: config.controlListen, version: productVersion() };
    const gateway: GatewayPort = {
      apply: (changes) => link.call('apply', changes),
      stickyOverrides: (knownVersion) => link.call('stickyOverrides', knownVersion),
      restoreSticky: (entries) => link.call('restoreSticky', entries),
      snapshot: () => link.call('snapshot', undefined),
      drainUsage: () => link.call('drainUsage', undefined),
      findRequest: (requestId) => link.call('findRequest', requestId),
      listRequests: (query) => link.call('listRequests', query),
      sessionStates: (query) => link.call('sessionStates', query),
      explain: (query) => link.call('explain', query),
      leastAssigned: (query) => link.call('leastAssigned', query),
    };
    plane = await startControlPlane(options, gateway, logging.log, (error) => {
      throw error;
    });
    rest.start();
    return { controlUrl: plane.url, bootstrapped: plane.bootstrap };
  },
  ready: () => plane?.setReady(),
  async recordBindings(batch) {
    if (plane === null) throw new Error('the control plane has not started');
    return plane.recordBindings(batch);
  },
  drain: () => plane?.setDraining(),
  async close() {
    rest.close();
    await plane?.close();
    await logging.close();
    // The port is what keeps this thread alive: without it, it ends once this answer is sent.
    port.unref();
  },
};
const link = openLink<GatewayMethods>(port, methods);
