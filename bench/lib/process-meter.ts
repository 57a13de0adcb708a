/**
 * Reads what the kernel accounts to processes: CPU, resident memory, open
 * descriptors. Linux only; elsewhere every figure is NaN and its column empty.
 * A "tree" is a process with all of its threads and its living children.
 */

import { readdirSync, readFileSync } from 'node:fs';

/** `utime`, `stime` and /proc/stat count in these: USER_HZ, 100 a second on every Linux of today. */
const TICKS_PER_SECOND = 100;

function read(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null; // not Linux, or the process is gone
  }
}

/** The process and its living descendants (a proxy may fork workers). */
function treeOf(pid: number): number[] {
  const found = [pid];
  for (const parent of found) {
    const children = read(`/proc/${parent}/task/${parent}/children`);
    if (children) found.push(...children.trim().split(' ').filter(Boolean).map(Number));
  }
  return found;
}

/** CPU seconds (user and system) that a process tree has used so far. */
export function cpuSeconds(pid: number): number {
  let ticks = Number.NaN;
  for (const each of treeOf(pid)) {
    const stat = read(`/proc/${each}/stat`);
    if (stat === null) continue;
    // The second field is the name in parentheses and may hold spaces; utime and stime are fields 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks = (Number.isNaN(ticks) ? 0 : ticks) + Number(fields[11]) + Number(fields[12]);
  }
  return ticks / TICKS_PER_SECOND;
}

/** CPU seconds that everything on the machine has used so far. */
export function machineCpuSeconds(): number {
  const line = read('/proc/stat')?.split('\n', 1)[0];
  if (!line) return Number.NaN;
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = line.split(/\s+/).slice(1).map(Number);
  return (user + nice + system + irq + softirq) / TICKS_PER_SECOND;
}

/** Resident bytes of a process tree. */
export function residentBytes(pid: number): number {
  let kib = Number.NaN;
  for (const each of treeOf(pid)) {
    const match = /^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${each}/status`) ?? '');
    if (match) kib = (Number.isNaN(kib) ? 0 : kib) + Number(match[1]);
  }
  return kib * 1024;
}

/** Open descriptors of a process. */
export function openDescriptors(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return Number.NaN;
  }
}

export interface Window {
  readonly seconds: number;
  /** CPU seconds of the gateway's process tree; null without a gateway. */
  readonly gatewayCpu: number | null;
  /** Cores that anything but gateway, upstream and load kept busy: above about 0.1 the window is not to be trusted. */
  readonly foreignCores: number;
}

/** Starts a window over the gateway (`pid`, or null when there is none) beside the known `others`; call the result to end it. */
export function openWindow(pid: number | null, others: readonly number[]): () => Window {
  const gateway = () => (pid === null ? 0 : cpuSeconds(pid));
  const ours = () => others.reduce((sum, each) => sum + cpuSeconds(each), gateway());
  const [at, gatewayAt, oursAt, machineAt] = [performance.now(), gateway(), ours(), machineCpuSeconds()];
  return () => {
    const seconds = (performance.now() - at) / 1000;
    const foreign = machineCpuSeconds() - machineAt - (ours() - oursAt);
    return {
      seconds,
      gatewayCpu: pid === null ? null : gateway() - gatewayAt,
      foreignCores: Math.max(0, foreign / seconds),
    };
  };
}
