/**
 * The stage of one bench run: owns every child process and temporary directory
 * it makes, and ends them (children by id) when closed, whatever happened.
 * Gateways run on core 0, load and upstream on core 1, where taskset exists.
 */

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';

/** A core, or both: the scheduler then puts the threads where there is room. */
export type Core = 0 | 1 | '0,1';

/** Finds a program in PATH, or in the sbin folders where Debian puts servers; null when it is not installed. */
export function findProgram(name: string): string | null {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not here
    }
  }
  return null;
}

/** A port that was free a moment ago, for servers that cannot be told port 0. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

export class Child {
  readonly name: string;
  readonly process: ChildProcess;
  readonly lines: Interface | null;
  /** The last words on stderr, for the error that tells why a child ended. */
  private complaint = '';

  constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.process = child;
    this.lines = child.stdout ? createInterface({ input: child.stdout }) : null;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.complaint = (this.complaint + text).slice(-2_000);
    });
    child.on('error', (error) => {
      this.complaint += error.message;
    });
  }

  get pid(): number {
    if (this.process.pid === undefined) throw new Error(`${this.name} did not start: ${this.complaint}`);
    return this.process.pid;
  }

  get ended(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  /** Throws when the child has ended, with its last words. */
  assertAlive(): void {
    if (this.ended) throw new Error(`${this.name} ended early (${this.process.exitCode}): ${this.complaint.trim()}`);
  }

  /** The next line on stdout that parses as JSON; throws when the child ends or `timeoutMs` pass first. */
  nextJson(timeoutMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const settle = (end: () => void) => {
        clearTimeout(timer);
        this.lines?.off('line', onLine);
        this.process.off('exit', onExit);
        end();
      };
      const onLine = (line: string) => {
        if (line.startsWith('{')) settle(() => resolve(JSON.parse(line)));
      };
      const onExit = () => settle(() => reject(new Error(`${this.name} ended: ${this.complaint.trim()}`)));
      const timer = setTimeout(
        () => settle(() => reject(new Error(`${this.name}: no answer within ${timeoutMs} ms ${this.complaint}`))),
        timeoutMs,
      );
      this.lines?.on('line', onLine);
      this.process.on('exit', onExit);
      if (this.ended) onExit();
    });
  }

  /** SIGTERM, and SIGKILL after three seconds; resolves when the process is gone. Idempotent. */
  async stop(): Promise<void> {
    if (this.ended || this.process.pid === undefined) return;
    const gone = new Promise((resolve) => this.process.once('exit', resolve));
    const timer = setTimeout(() => this.process.kill('SIGKILL'), 3_000);
    this.process.kill('SIGTERM');
    await gone;
    clearTimeout(timer);
  }
}

export class Stage {
  /** Whether processes are pinned to cores of their own. */
  readonly pinned: boolean;
  private readonly taskset: string | null;
  private readonly children = new Set<Child>();
  private readonly folders = new Set<string>();
  private readonly onExit = () => this.destroy();
  private stopping = false;
  private readonly onSignal: () => void;
  private readonly detached: boolean;

  /**
   * With `onSignal` the signals are the caller's to answer, and the children are in
   * process groups of their own: Ctrl-C on a terminal does not end them.
   */
  constructor({ onSignal }: { readonly onSignal?: () => void } = {}) {
    this.onSignal = onSignal ?? (() => this.stop());
    this.detached = onSignal !== undefined;
    this.taskset = availableParallelism() > 1 ? findProgram('taskset') : null;
    this.pinned = this.taskset !== null;
    process.once('exit', this.onExit);
    process.on('SIGINT', this.onSignal).on('SIGTERM', this.onSignal);
  }

  /** Starts a program on its core or cores. Node scripts end by themselves when their stdin closes. */
  start(name: string, core: Core, command: readonly string[], options: SpawnOptions = {}): Child {
    const [program, ...args] = this.taskset ? [this.taskset, '-c', String(core), ...command] : command;
    const child = new Child(
      name,
      spawn(program!, args, { stdio: ['pipe', 'pipe', 'pipe'], detached: this.detached, ...options }),
    );
    this.children.add(child);
    child.process.once('exit', () => this.children.delete(child));
    return child;
  }

  /** A temporary directory that lives as long as the stage. */
  folder(name: string): string {
    const path = mkdtempSync(join(tmpdir(), `sallyport-bench-${name}-`));
    this.folders.add(path);
    return path;
  }

  /** The first signal ends the children in peace (Squid leaves shared memory behind when killed), the second at once. */
  private stop(): void {
    if (this.stopping) process.exit(130);
    this.stopping = true;
    void this.close().finally(() => process.exit(130));
  }

  /** Ends every child in peace and removes the directories. */
  async close(): Promise<void> {
    await Promise.all([...this.children].map((child) => child.stop()));
    this.destroy();
  }

  /** The same without waiting: the last thing before the process ends. */
  private destroy(): void {
    for (const child of this.children) child.process.kill('SIGKILL');
    for (const path of this.folders) rmSync(path, { recursive: true, force: true });
    this.folders.clear();
    process.off('exit', this.onExit).off('SIGINT', this.onSignal).off('SIGTERM', this.onSignal);
  }
}
