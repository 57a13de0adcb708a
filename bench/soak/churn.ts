/**
 * The sessions of the pool `soak` that come, change and go under traffic. Each
 * holds a tunnel while it can serve; when the schedule revokes it, that tunnel must
 * end within a second, and a new one is opened where the session can serve again.
 */

import { credentialOf, type Field, type SessionRow } from './field.ts';
import type { HeldName } from './job.ts';
import type { LoadProcess } from './load-process.ts';
import { CHURN_STEPS, type ChurnStep } from './schedule.ts';

/** Sessions that churn, but for one or two. */
const LIVE = 32;
const BULK = 300;

interface Churned {
  readonly id: string;
  readonly token: string;
  /** Which of the upstream's credentials it has. */
  credential: number;
}

export class Churn {
  readonly #field: Field;
  readonly #load: LoadProcess;
  /** Enabled ones, oldest first. */
  readonly #live: Churned[] = [];
  readonly #disabled: Churned[] = [];
  #bulk: readonly string[] = [];
  #named = 0;
  #turn = 0;
  /** Steps and bulk calls that went through. */
  done = 0;

  constructor(field: Field, load: LoadProcess) {
    this.#field = field;
    this.#load = load;
  }

  /** Makes the first ones; they hold no tunnel yet. */
  async populate(): Promise<void> {
    const first = this.#named + 1;
    const rows = Array.from({ length: LIVE }, () => this.#nextRow());
    const ids = await this.#bulkCreate(rows);
    rows.forEach(({ token }, n) => {
      this.#live.push({ id: ids[n]!, token, credential: first + n });
    });
  }

  /** Opens the tunnels of all that are enabled. */
  async hold(): Promise<void> {
    await this.#load.hold(this.#live.map((each) => this.#tunnelOf(each)));
  }

  /** The next step of the round. */
  async step(): Promise<void> {
    const step = CHURN_STEPS[this.#turn++ % CHURN_STEPS.length]!;
    await this.#steps[step]();
    this.done++;
  }

  readonly #steps: Readonly<Record<ChurnStep, () => Promise<void>>> = {
    create: async () => {
      const row = this.#nextRow();
      const { poolId, product } = this.#field;
      const { providerId } = product.bootstrap;
      const { session } = await product.proxies<{ session: { id: string } }>('CreateSession', {
        poolId,
        providerId,
        ...row,
      });
      await this.#enter({ id: session.id, token: row.token, credential: this.#named });
    },
    credential: async () => {
      const session = this.#pick();
      session.credential++;
      await this.#revoke(session, 'UpdateSession', credentialOf(session.credential));
      await this.#load.hold([this.#tunnelOf(session)]);
    },
    disable: async () => {
      const session = this.#pick();
      this.#live.splice(this.#live.indexOf(session), 1);
      await this.#revoke(session, 'UpdateSession', { enabled: false });
      this.#disabled.push(session);
    },
    enable: async () => {
      const session = this.#disabled.shift();
      if (session === undefined) return;
      await this.#field.product.proxies('UpdateSession', { sessionId: session.id, enabled: true });
      await this.#enter(session);
    },
    delete: async () => {
      const session = this.#live.shift();
      if (session !== undefined) await this.#revoke(session, 'DeleteSession', {});
    },
  };

  /** Some hundreds at once, into the same pool. */
  async bulkCreate(): Promise<void> {
    this.#bulk = await this.#bulkCreate(Array.from({ length: BULK }, () => this.#nextRow()));
    this.done++;
  }

  /** Those again, one after the other. */
  async bulkDelete(): Promise<void> {
    const ids = this.#bulk;
    this.#bulk = [];
    for (const sessionId of ids) await this.#field.product.proxies('DeleteSession', { sessionId });
    this.done++;
  }

  async #bulkCreate(sessions: readonly SessionRow[]): Promise<string[]> {
    const { poolId, product } = this.#field;
    const { providerId } = product.bootstrap;
    const made = await product.proxies<{ sessions: { id: string }[] }>('BulkCreateSessions', {
      poolId,
      providerId,
      sessions,
    });
    return made.sessions.map(({ id }) => id);
  }

  async #enter(session: Churned): Promise<void> {
    this.#live.push(session);
    await this.#load.hold([this.#tunnelOf(session)]);
  }

  /** A change that ends the session's tunnel. */
  async #revoke({ id, token }: Churned, method: string, change: object): Promise<void> {
    await this.#load.expectCut(token);
    await this.#field.product.proxies(method, { sessionId: id, ...change });
    await this.#load.checkCut(token);
  }

  /** A different one each time; never the oldest, which is deleted next. */
  #pick(): Churned {
    return this.#live[1 + (this.#turn % (this.#live.length - 1))]!;
  }

  #nextRow(): SessionRow {
    this.#named++;
    return this.#field.row(`churn${this.#named}`, this.#named);
  }

  /** The token as the sticky key asks for that very session, and strictly for no other. */
  #tunnelOf({ token }: Churned): HeldName {
    return { name: token, authorization: this.#field.authorization(`soak-session-${token}-strict-true`) };
  }
}
