/**
 * What an operator's programs ask of the control plane while requests are served: the
 * kinds of work of `beside.ts`. Each goes on for the seconds of a window, or once where
 * that takes longer. The answers of the large ones are looked at after the window, as
 * this process shares the load's core.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createSallyport } from '../../client/client.ts';
import { type BenchProduct, sessionRows } from './product.ts';

const CLIENTS = 8;
/** How often a rotation is asked whether it is over. */
const POLL_MS = 50;
const PAGE = 1_000;

/** Sizes of one run. */
export interface WorkPlan {
  /** Least length of a window. */
  readonly seconds: number;
  /** Rows of a bulk call. */
  readonly rows: number;
  /** Sessions stored before and after every round. */
  readonly stored: number;
}

/** Where a round's new sessions go: deleted after it. */
export interface Scratch {
  readonly poolId: string;
  readonly name: string;
}

export interface Work {
  readonly id: string;
  readonly name: string;
  /** What `run` answers: calls a second, or seconds of one. */
  readonly unit: '/s' | 's';
  /** Readies what would take time inside the window; the work itself, and what remains to be checked after it. */
  ready(product: BenchProduct, plan: WorkPlan, scratch: Scratch): () => Promise<Done>;
}

export interface Done {
  readonly value: number;
  readonly check?: () => void;
}

/** The base line. */
export const NOTHING: Work = {
  id: 'nothing',
  name: 'nothing',
  unit: 's',
  ready:
    (_product, { seconds }) =>
    async () => {
      await sleep(seconds * 1_000);
      return { value: seconds };
    },
};

const create: Work = {
  id: 'create',
  name: `CreateSession, ${CLIENTS} clients`,
  unit: '/s',
  ready(product, { seconds }, scratch) {
    const { apiKey } = product.bootstrap;
    const [session] = sessionRows('@', 1);
    const template = JSON.stringify({ ...placeOf(product, scratch), ...session });
    return async () => {
      const startMs = performance.now();
      const endMs = startMs + seconds * 1_000;
      let created = 0;
      const client = async (_: unknown, index: number): Promise<void> => {
        for (let n = 0; performance.now() < endMs; n++) {
          const body = template.replaceAll('@', `${scratch.name}-${index}-${n}`);
          await product.send('/proxies.v1.Proxies/CreateSession', apiKey, body);
          created++;
        }
      };
      await Promise.all(Array.from({ length: CLIENTS }, client));
      return { value: created / secondsSince(startMs) };
    };
  },
};

/** The second of the two finds all that the first has made. */
const bulk = (id: string, name: string, counts: (rows: number) => string): Work => ({
  id,
  name,
  unit: 's',
  ready(product, { rows }, scratch) {
    const { apiKey } = product.bootstrap;
    const body = JSON.stringify({ ...placeOf(product, scratch), sessions: sessionRows(scratch.name, rows) });
    return async () => {
      const startMs = performance.now();
      const answer = await product.sendText('/proxies.v1.Proxies/BulkCreateSessions', apiKey, body);
      const value = secondsSince(startMs);
      const check = () => {
        if (!answer.includes(counts(rows))) throw new Error(`${name} answered other counts than ${counts(rows)}`);
      };
      return { value, check };
    };
  },
});

const backup: Work = {
  id: 'backup',
  name: 'CreateBackup',
  unit: 's',
  ready(product, { seconds }) {
    const client = createSallyport({ url: product.controlUrl, apiKey: product.bootstrap.apiKey });
    return () =>
      repeated(seconds, async () => {
        let received = 0;
        let total = -1;
        for await (const { chunk, totalBytes } of client.accounts.createBackup({})) {
          received += chunk.length;
          total = Number(totalBytes);
        }
        if (received !== total) throw new Error(`a backup ended after ${received} of ${total} bytes`);
      });
  },
};

/** A new master key wraps the workspace's keys; the new key of the workspace seals every password anew. */
const rotate: Work = {
  id: 'rotate',
  name: 'RotateMasterKey, RotateWorkspaceKey',
  unit: 's',
  ready(product, { stored }) {
    const { workspaceId } = product.bootstrap;
    return async () => {
      const startMs = performance.now();
      await product.accounts('RotateMasterKey', {});
      await product.accounts('RotateWorkspaceKey', { workspaceId });
      let total = 0;
      for (;;) {
        const { workspace } = await product.accounts<RotatingWorkspace>('GetWorkspace', { workspaceId });
        if (workspace.keyRotation === undefined) break;
        total = Number(workspace.keyRotation.totalCount);
        await sleep(POLL_MS);
      }
      const value = secondsSince(startMs);
      const check = () => {
        if (total < stored) throw new Error(`a rotation went over ${total} sessions in place of ${stored}`);
      };
      return { value, check };
    };
  },
};

interface RotatingWorkspace {
  readonly workspace: { readonly keyRotation?: { readonly totalCount: string } };
}

const walk: Work = {
  id: 'walk',
  name: 'ListSessions, every page',
  unit: 's',
  ready:
    (product, { seconds, stored }) =>
    () =>
      repeated(seconds, async () => {
        let found = 0;
        let cursor = '';
        do {
          const page: SessionPage = await product.proxies('ListSessions', { limit: PAGE, cursor });
          found += page.sessionIds.length;
          cursor = page.nextCursor;
        } while (cursor !== '');
        if (found < stored) throw new Error(`a walk found ${found} sessions in place of ${stored}`);
      }),
};

interface SessionPage {
  readonly sessionIds: readonly string[];
  readonly nextCursor: string;
}

/** In the order of a round: what `bulk` makes is there for `bulk-again`. */
export const WORKS: readonly Work[] = [
  create,
  bulk('bulk', 'BulkCreateSessions', (rows) => `"createdCount":${rows},"existingCount":0`),
  bulk('bulk-again', 'BulkCreateSessions, repeated', (rows) => `"createdCount":0,"existingCount":${rows}`),
  backup,
  rotate,
  walk,
];

function placeOf({ bootstrap }: BenchProduct, { poolId }: Scratch): object {
  const { workspaceId, providerId } = bootstrap;
  return { workspaceId, poolId, providerId };
}

/** Once, and again until the seconds are over; the seconds of one. */
async function repeated(seconds: number, once: () => Promise<void>): Promise<Done> {
  const startMs = performance.now();
  let times = 0;
  do {
    await once();
    times++;
  } while (secondsSince(startMs) < seconds);
  return { value: secondsSince(startMs) / times };
}

const secondsSince = (startMs: number): number => (performance.now() - startMs) / 1_000;
