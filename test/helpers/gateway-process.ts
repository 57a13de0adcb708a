/**
 * A gateway in a process of its own, for tests of what it holds and of whether it
 * survives: its memory and its descriptors are nobody else's, and an error that nothing
 * catches ends it.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { GatewayLimits } from '../../src/core/limits.ts';
import type { SessionState } from '../../src/core/model.ts';
import type { Figures, Question } from './gateway.process.ts';

const PROCESS = new URL('./gateway.process.ts', import.meta.url);

export class GatewayProcess {
  readonly port: number;
  /** What it wrote to its standard error: warnings, and why it died. */
  complaints = '';
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
    child.stderr!.on('data', (chunk) => {
      this.complaints += chunk;
    });
  }

  static async start(limits: Partial<GatewayLimits> = {}): Promise<GatewayProcess> {
    const child = fork(PROCESS, [JSON.stringify(limits)], {
      execArgv: ['--expose-gc'],
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    });
    const [{ port }] = (await once(child, 'message')) as [{ port: number }];
    return new GatewayProcess(child, port);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Whether it is still there. */
  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Adds or replaces session n, as the rig does; in force when it resolves. */
  async put(n: number, port: number, fields: Partial<SessionState> = {}): Promise<void> {
    await this.#ask({ ask: 'put', n, port, fields });
  }

  async figures(): Promise<Figures> {
    return (await this.#ask({ ask: 'figures' })) as Figures;
  }

  /** Ends it; answers its exit code. */
  async close(): Promise<number | null> {
    if (!this.isAlive) return this.#child.exitCode;
    const exited = once(this.#child, 'exit') as Promise<[number | null]>;
    this.#child.disconnect();
    return (await exited)[0];
  }

  async #ask(question: Question): Promise<unknown> {
    const answer = once(this.#child, 'message');
    this.#child.send(question);
    return (await answer)[0];
  }
}
