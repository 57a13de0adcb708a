/**
 * A third party's program in the foreground on loopback: Squid, tinyproxy,
 * Prometheus. Keeps what it prints, knows when its port answers, and is ended
 * by its id.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';

/** How long a program may take until its port answers. */
const START_MS = 20_000;
/** How long it may take to leave when asked to. */
const LEAVE_MS = 5_000;

export class Program {
  /** Everything it wrote to standard output and error. */
  output = '';
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#exited = once(child, 'exit');
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString('latin1');
      });
    }
  }

  /**
   * Starts it, with `environment` besides our own, and waits until `port` takes connections; throws with its last
   * words when that does not happen.
   */
  static async serving(
    path: string,
    args: readonly string[],
    port: number,
    environment: NodeJS.ProcessEnv = {},
  ): Promise<Program> {
    const env = { ...process.env, ...environment };
    const program = new Program(spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe'], env }));
    const deadline = performance.now() + START_MS;
    while (!(await takesConnections(port))) {
      if (program.#ended || performance.now() > deadline) {
        await program.close();
        throw new Error(`${path} does not serve: ${program.output.slice(-2_000)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return program;
  }

  /** Asks it to leave, and ends it when it stays. */
  async close(): Promise<void> {
    if (this.#ended) return;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), LEAVE_MS);
    await this.#exited;
    clearTimeout(timer);
  }

  get #ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
