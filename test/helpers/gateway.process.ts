/** The gateway of `gateway-rig.ts` in a process of its own; `gateway-process.ts` starts it, and asks by messages. */
import type { GatewayHoldings } from '../../gateway/server.ts';
import type { SessionState } from '../../src/core/model.ts';
import { startGatewayRig } from './gateway-rig.ts';

/** What the process is asked for. */
export type Question =
  | { readonly ask: 'put'; readonly n: number; readonly port: number; readonly fields: Partial<SessionState> }
  | { readonly ask: 'figures' };

export interface Figures {
  readonly holdings: GatewayHoldings;
  /** How often each cause was counted. */
  readonly causes: Readonly<Record<string, number>>;
  /** Octets in use on its heap and beside it, after a full collection. */
  readonly heapBytes: number;
  /** Resident octets then. */
  readonly residentBytes: number;
}

const rig = await startGatewayRig({ limits: JSON.parse(process.argv[2] ?? '{}') });
// Each failure is looked at by itself: whoever fails stays in, and nothing moves.
rig.putPool({ maxEjectedPercent: 0, maxAttempts: 1 });

function answer(question: Question): Figures | null {
  if (question.ask === 'put') {
    rig.put(question.n, question.port, question.fields);
    return null;
  }
  (globalThis as { gc?: () => void }).gc!();
  const { heapUsed, external, rss } = process.memoryUsage();
  return {
    holdings: rig.gateway.holdings(),
    causes: Object.fromEntries(rig.gateway.snapshot().causes.map(({ labels, value }) => [labels[0]!, value])),
    heapBytes: heapUsed + external,
    residentBytes: rss,
  };
}

process.on('message', (question: Question) => process.send!(answer(question)));
process.on('disconnect', () => void rig.close().then(() => process.exit(0)));
process.send!({ port: rig.port });
