/** Where a run took place: the facts without which its figures mean nothing. */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release } from 'node:os';

export interface Setting {
  readonly date: string;
  readonly commit: string;
  readonly node: string;
  readonly cpu: string;
  readonly cores: number;
  readonly kernel: string;
  readonly pinned: boolean;
  /** BBR paces loopback streams: tunnel figures under it are not those under reno or cubic. */
  readonly congestionControl: string;
}

export function describeSetting(pinned: boolean, root: string): Setting {
  return {
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    commit: git(root, ['describe', '--always', '--dirty']),
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    kernel: release(),
    pinned,
    congestionControl: congestionControl(),
  };
}

/** The setting in one line, as it stands above the table. */
export function settingLine({ date, commit, node, cpu, cores, kernel, pinned, congestionControl }: Setting): string {
  const pinning = pinned ? 'gateway on core 0, load and upstream on core 1' : 'NOT pinned (no taskset)';
  return `${date} UTC, commit ${commit}, Node ${node}, ${cores} × ${cpu}, Linux ${kernel}, ${congestionControl}; ${pinning}`;
}

function congestionControl(): string {
  try {
    return readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'latin1').trim();
  } catch {
    return 'unknown';
  }
}

/** One line of git's answer, or "unknown" outside a checkout. */
function git(cwd: string, args: readonly string[]): string {
  try {
    return execFileSync('git', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return 'unknown';
  }
}
