/** The length of one turn of the event loop, for benches on a machine that others use, too. */

/** Some kernels account CPU time in ticks of this length: shorter turns are known by the wall clock only. */
const TICK_MS = 4;

/** Starts a turn; the answer ends it and gives its milliseconds: wall time, or CPU time where others ran meanwhile. */
export function startTurn(): () => number {
  const cpu = cpuMs();
  const start = performance.now();
  return () => {
    const wall = performance.now() - start;
    return wall <= TICK_MS ? wall : Math.min(wall, Math.max(TICK_MS, cpuMs() - cpu));
  };
}

/** CPU time of this thread, milliseconds. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1e3;
}
