/** h11, the sans-I/O parser of Python's HTTP clients and servers, as a judge: one long-lived child that reads frames. */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { differenceOf, type Reading } from '../meaning.ts';
import { type Case, type Disagreement, type Judge, LimitsMet } from './judge.ts';

/** The system's Python, which has Debian's packages whatever else is in PATH. */
const PYTHON = '/usr/bin/python3';
const READER = join(import.meta.dirname, 'h11-reader.py');

/** Version of the h11 that this machine has, or null. */
export function findH11(): string | null {
  if (!existsSync(PYTHON)) return null;
  try {
    const script = 'import h11; print(h11.__version__)';
    return execFileSync(PYTHON, ['-c', script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return null; // this Python has no h11
  }
}

export class H11 implements Judge {
  readonly name = 'h11';
  readonly version: string;
  readonly limitsMet = new LimitsMet();
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting: ((reading: Reading) => void)[] = [];
  #pending = Buffer.alloc(0);

  constructor(version: string) {
    this.version = `h11 ${version}`;
    this.#child = spawn(PYTHON, [READER]);
    this.#child.stderr.resume();
    this.#child.stdout.on('data', (chunk: Buffer) => this.#read(chunk));
  }

  async judge(cases: readonly Case[]): Promise<Disagreement[]> {
    const readings = cases.map(({ octets }) => this.#send(octets));
    const disagreements: Disagreement[] = [];
    for (const [i, { input, octets, expected }] of cases.entries()) {
      const difference = differenceOf(expected, await readings[i]!);
      if (difference !== null) disagreements.push({ judge: this.name, input, octets, difference });
    }
    return disagreements;
  }

  async close(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.stdin.end();
    await exited;
  }

  #send(octets: string): Promise<Reading> {
    const frame = Buffer.alloc(4 + octets.length);
    frame.writeUInt32BE(octets.length);
    frame.write(octets, 4, 'latin1');
    this.#child.stdin.write(frame);
    return new Promise((resolve, reject) => {
      if (this.#child.exitCode !== null) reject(new Error('the h11 child is gone'));
      this.#waiting.push(resolve);
    });
  }

  #read(chunk: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    while (this.#pending.length >= 4) {
      const end = 4 + this.#pending.readUInt32BE();
      if (this.#pending.length < end) return;
      const reading = JSON.parse(this.#pending.toString('latin1', 4, end)) as Reading;
      this.#pending = this.#pending.subarray(end);
      this.#waiting.shift()!(reading);
    }
  }
}
