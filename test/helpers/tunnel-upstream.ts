/**
 * An upstream proxy in a process of its own, for flows with more sockets or
 * more bytes than the process of the tests should hold. What its targets do is
 * written in `tunnel-upstream.process.ts`.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

const PROCESS = new URL('./tunnel-upstream.process.ts', import.meta.url);

export interface UpstreamState {
  readonly connections: number;
  /** Plain requests for slow.test that wait for their answer. */
  readonly waiting: number;
  /** Octets that its floods got rid of, in all. */
  readonly flooded: number;
}

export class TunnelUpstream {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(): Promise<TunnelUpstream> {
    const child = fork(PROCESS, { execArgv: [] });
    const [{ port }] = (await once(child, 'message')) as [{ port: number }];
    return new TunnelUpstream(child, port);
  }

  state(): Promise<UpstreamState> {
    return this.#ask('state');
  }

  /** Answers every request for slow.test that waits. */
  answer(): Promise<UpstreamState> {
    return this.#ask('answer');
  }

  /** Ends every connection it has. */
  drop(): Promise<UpstreamState> {
    return this.#ask('drop');
  }

  async close(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.disconnect();
    await exited;
  }

  async #ask(what: 'state' | 'answer' | 'drop'): Promise<UpstreamState> {
    const answer = once(this.#child, 'message');
    this.#child.send(what);
    const [state] = (await answer) as [UpstreamState];
    return state;
  }
}
