/**
 * What a call must pass before its body is read: the service is serving, the key is
 * good, the key may do this, the key is not too fast. Called by Connect as the
 * request gate of every protocol; makes the `Call` that everything after relies on.
 *
 * Calls without a good key leave no audit row: they have no actor, and a stranger
 * must not be able to make the disk write. The RPC metric counts them.
 */
import type { HandlerContext } from '@connectrpc/connect';
import { type Call, type Plane, setCall } from '../call.ts';
import { DomainError } from '../domain-error.ts';
import { checkDeadline } from './deadline.ts';
import { fullName, ruleOf } from './method-rules.ts';
import { finishCall, toConnectError } from './outcome.ts';
import type { RateLimit } from './rate-limit.ts';

/** The raw key of an `Authorization` value: after `Bearer`, or the value itself; null without one. */
export function keyOfHeader(value: string | null): string | null {
  const key = value?.replace(/^bearer +/i, '').trim() ?? '';
  return key === '' ? null : key;
}

/** Connect's request gate; throws a ConnectError for a call that must not go on. */
export function createGate(plane: Plane, rateLimit: RateLimit): (context: HandlerContext) => Promise<void> {
  return async (context) => {
    const startedMs = plane.clock.monotonicMs();
    const method = fullName(context.method);
    let call: Call | null = null;
    try {
      if (!plane.isServing()) throw new DomainError('unavailable');
      const key = keyOfHeader(context.requestHeader.get('authorization'));
      const authenticate = () => (key === null ? null : plane.access.authenticate(key, plane.clock.nowMs()));
      const caller = authenticate();
      if (caller === null) throw new DomainError('unauthenticated');
      const waitSeconds = rateLimit.take(caller.keyId);
      if (waitSeconds > 0) throw new DomainError('resource_exhausted', undefined, [], waitSeconds);
      const rule = ruleOf(context.method);
      call = {
        method,
        rule,
        startedMs,
        caller,
        workspaceId: null,
        audited: false,
        signal: context.signal,
        isStillAllowed: () => authenticate() !== null,
      };
      setCall(context.values, call);
      if (rule.permission !== null && !caller.permissions.has(rule.permission))
        throw new DomainError('permission_denied');
      checkDeadline(context);
    } catch (error) {
      const answer = toConnectError(error);
      await finishCall(plane, { method, startedMs, call }, answer, error);
      throw answer;
    }
  };
}
