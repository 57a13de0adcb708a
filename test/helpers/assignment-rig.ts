/** A control plane with the gateway's real index behind the port, and what tests of assignments ask of both. */
import { setImmediate } from 'node:timers/promises';
import { systemClock } from '../../src/core/clock.ts';
import type { PoolId, SessionId } from '../../src/core/model.ts';
import type { AssignQuery } from '../../src/core/observed.ts';
import { Directory } from '../../src/core/pool-index/directory.ts';
import { type ControlRig, startControlRig } from './control-rig.ts';
import { uuidOf } from './proxied.ts';

export const PROXIES = 'proxies.v1.Proxies';
/** An id that nothing has. */
export const ABSENT = Buffer.alloc(16, 9).toString('base64');

/** An id of an answer as the planes tell it each other. */
export const uuid = <Id extends string>(wire: string): Id => uuidOf(wire) as Id;

export interface WireSession {
  readonly id: string;
}

/** A gateway as far as assignments go: its index, and a place to step in between a choice and its writing. */
class IndexedGateway {
  directory = new Directory({ clock: systemClock, localExit: null });
  meanwhile: (chosen: readonly (SessionId | null)[]) => Promise<unknown> = async () => {};

  async leastAssigned(query: AssignQuery): Promise<(SessionId | null)[]> {
    // As over a thread's boundary: others have their turn before and after.
    await setImmediate();
    const chosen = this.directory.leastAssigned(query);
    await this.meanwhile(chosen);
    return chosen;
  }
}

export class AssignmentRig {
  control: ControlRig;
  /** What the first start made; a restarted plane makes nothing. */
  readonly made: ControlRig['made'];
  readonly gateway: IndexedGateway;
  #pools = 0;

  private constructor(control: ControlRig, gateway: IndexedGateway) {
    this.control = control;
    this.made = control.made;
    this.gateway = gateway;
    this.#listen();
  }

  static async start(): Promise<AssignmentRig> {
    const gateway = new IndexedGateway();
    const control = await startControlRig({ gateway: { leastAssigned: (query) => gateway.leastAssigned(query) } });
    return new AssignmentRig(control, gateway);
  }

  /** Starts the control plane anew before a gateway that knows nothing; answers what the old one knew. */
  async restart(): Promise<Directory> {
    const before = this.gateway.directory;
    this.control = await this.control.restart();
    this.gateway.directory = new Directory({ clock: systemClock, localExit: null });
    this.#listen();
    return before;
  }

  close(): Promise<void> {
    return this.control.close();
  }

  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever came back
  ok(method: string, request: object): Promise<any> {
    return this.control.ok(`${PROXIES}/${method}`, { workspaceId: this.made.workspaceId, ...request });
  }

  /** The code of the refusal. */
  async code(method: string, request: object): Promise<string> {
    const { workspaceId } = this.made;
    return (await this.control.call(`${PROXIES}/${method}`, { workspaceId, ...request })).json.code;
  }

  /** A pool of its own with that many sessions. */
  async poolWith(count: number): Promise<{ poolId: string; sessions: WireSession[] }> {
    const { pool } = await this.ok('CreatePool', { name: `assigned${++this.#pools}` });
    if (count === 0) return { poolId: pool.id, sessions: [] };
    const rows = Array.from({ length: count }, (_, n) => ({
      ...{ token: `t${n}-${pool.id}`, scheme: 'http', host: '203.0.113.1', port: n + 1 },
    }));
    const { providerId } = this.made;
    const { sessions } = await this.ok('BulkCreateSessions', { poolId: pool.id, providerId, sessions: rows });
    return { poolId: pool.id, sessions };
  }

  async create(poolId: string, accountName: string, more: object = {}) {
    return (await this.ok('CreateAssignment', { poolId, accountName, ...more })).assignment;
  }

  /** The session that the gateway would take for an account. */
  servedBy(poolId: string, accountName: string): SessionId | undefined {
    return this.gateway.directory.findAssignment(uuid<PoolId>(poolId), accountName)?.sessionId;
  }

  /** Every audit event of the workspace after the one with this id. */
  async auditSince(last: number) {
    const { workspaceId } = this.made;
    // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever came back
    const events: any[] = [];
    for (let cursor = ''; ; ) {
      const request = { workspaceId, limit: 1_000, cursor };
      const page = await this.control.ok('accounts.v1.Accounts/ListAuditEvents', request);
      events.push(...page.events);
      cursor = page.nextCursor;
      if (cursor === '') return events.filter(({ id }) => Number(id) > last);
    }
  }

  /** The id of the last audit event. */
  async audited(): Promise<number> {
    return Number((await this.auditSince(0)).at(-1).id);
  }

  #listen(): void {
    // What was told before anybody listened.
    for (const change of this.control.changes) this.gateway.directory.apply(change);
    this.control.onApply(async (changes) => {
      await setImmediate();
      for (const change of structuredClone(changes)) this.gateway.directory.apply(change);
    });
  }
}
