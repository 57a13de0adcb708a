/**
 * The probe of a pool's health policy: its defaults, the one spelling of its target,
 * what contradicts it, and what the gateway must know of it. For `pool-policy.ts`.
 */
import { create } from '@bufbuild/protobuf';
import { durationMs } from '@bufbuild/protobuf/wkt';
import type { PoolPolicyState, ProbeKindName, ProbePolicy, ProbeTarget } from '../src/core/model.ts';
import { formatProbeTarget, parseProbeAuthority, parseProbeUrl } from '../src/core/probe-target.ts';
import { compileTargetPolicy } from '../src/core/target-policy.ts';
import { type FieldViolation, malformed } from './domain-error.ts';
import { type Probe, ProbeKind, ProbeSchema } from './gen/proxies/v1/proxies_pb.ts';

const DEFAULT_INTERVAL = { seconds: 60n };
const DEFAULT_TIMEOUT = { seconds: 10n };
const TARGET = 'health.probe.target';

const KINDS: Readonly<Record<number, ProbeKindName>> = {
  [ProbeKind.TCP]: 'tcp',
  [ProbeKind.HANDSHAKE]: 'handshake',
  [ProbeKind.URL]: 'url',
};

/** The probe with every default and a canonical target. Throws `invalid_argument` for a target that is none of its kind. */
export function filledProbe({ kind, target, interval, timeout }: Probe): Probe {
  const parsed = targetOf(kind, target);
  return create(ProbeSchema, {
    kind,
    target: parsed === null ? '' : formatProbeTarget(parsed),
    interval: interval ?? DEFAULT_INTERVAL,
    timeout: timeout ?? DEFAULT_TIMEOUT,
  });
}

/** What the gateway must know of a probe that is filled in; null for none. */
export function gatewayProbe(probe: Probe | undefined): ProbePolicy | null {
  const kind = probe && KINDS[probe.kind];
  if (kind === undefined) return null;
  return {
    kind,
    target: targetOf(probe!.kind, probe!.target),
    intervalMs: durationMs(probe!.interval!),
    timeoutMs: durationMs(probe!.timeout!),
  };
}

/** What of a policy contradicts its probe. */
export function probeContradictions(policy: PoolPolicyState): FieldViolation[] {
  const { probe } = policy;
  if (probe === null) return [];
  const found: FieldViolation[] = [];
  if (probe.timeoutMs > probe.intervalMs) {
    found.push({ field: 'health.probe.timeout', description: 'must be at most interval, which is 60s by default' });
  }
  // As clients' requests: a plain one needs no port of `connectPorts`, whatever the upstream makes of it.
  const isPlain = probe.kind === 'url' && !probe.target?.secure;
  if (probe.target !== null && compileTargetPolicy(policy)?.denies(probe.target, !isPlain)) {
    found.push({ field: TARGET, description: 'must be a target that the destinations of the pool allow' });
  }
  return found;
}

/** Null for none, as TCP has. */
function targetOf(kind: ProbeKind, text: string): ProbeTarget | null {
  const parsed = kind === ProbeKind.TCP ? noTarget(text) : kindsTarget(kind, text);
  if (typeof parsed === 'string') throw malformed([{ field: TARGET, description: parsed }]);
  return parsed;
}

function noTarget(text: string): string | null {
  return text === '' ? null : 'must be absent for PROBE_KIND_TCP';
}

function kindsTarget(kind: ProbeKind, text: string): ProbeTarget | string {
  if (text === '') return 'is required';
  return kind === ProbeKind.URL ? parseProbeUrl(text) : parseProbeAuthority(text);
}
