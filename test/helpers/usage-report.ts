/** Usage as a test looks at it: whole reports, sums by session, and the same sums from the log. */
import type { Gateway } from '../../gateway/server.ts';
import type { UsageDelta } from '../../src/core/observed.ts';
import { MAX_REPORT } from '../../src/core/usage-tally.ts';
import type { RecordedLog } from './wire-log.ts';

export interface Traffic {
  requestCount: number;
  errorCount: number;
  bytesOut: number;
  bytesIn: number;
}

/** Every page of one report. */
export async function reportOf(gateway: Gateway): Promise<UsageDelta[]> {
  const deltas: UsageDelta[] = [];
  for (;;) {
    const page = await gateway.drainUsage();
    deltas.push(...page);
    if (page.length < MAX_REPORT) return deltas;
  }
}

/** Reports added up by session. */
export class UsageSums {
  readonly bySession = new Map<string, Traffic>();

  add(deltas: readonly UsageDelta[]): void {
    for (const delta of deltas) addTraffic(this.bySession, delta.sessionId, delta);
  }
}

/** What the lines of finished requests say, by session; those without a session are left out. */
export function loggedTraffic(log: RecordedLog): Map<string, Traffic> {
  const sums = new Map<string, Traffic>();
  for (const { fields, message } of log.lines) {
    if (message !== 'request' || fields.session_id === undefined) continue;
    addTraffic(sums, String(fields.session_id), {
      requestCount: 1,
      errorCount: fields.cause === 'ok' ? 0 : 1,
      bytesOut: Number(fields.bytes_out),
      bytesIn: Number(fields.bytes_in),
    });
  }
  return sums;
}

function addTraffic(sums: Map<string, Traffic>, key: string, more: Traffic): void {
  const sum = sums.get(key) ?? { requestCount: 0, errorCount: 0, bytesOut: 0, bytesIn: 0 };
  sum.requestCount += more.requestCount;
  sum.errorCount += more.errorCount;
  sum.bytesOut += more.bytesOut;
  sum.bytesIn += more.bytesIn;
  sums.set(key, sum);
}
