/**
 * What the log says of a request at its end: one line of these fields, in this order,
 * however it went. Written by `Exchange.finish`.
 *
 * Invariant: no credential, and no path.
 */
import { FIELD, type LineShape } from '../src/core/log.ts';
import { nameOfFault } from '../src/core/selector-fault.ts';
import type { Exchange } from './exchange.ts';
import { authorityOf } from './http1/target.ts';

export const requestLine: LineShape<Exchange> = {
  message: 'request',
  fields: [
    [FIELD.requestId, ({ id }) => id],
    [FIELD.keyId, ({ key }) => key?.id],
    [FIELD.identifiedBy, ({ key, identifiedBy }) => (key === null ? undefined : identifiedBy)],
    [FIELD.workspaceId, ({ key }) => key?.workspaceId],
    [FIELD.pool, ({ budget }) => budget?.pool.state.name],
    [FIELD.sessionId, ({ route }) => route?.sessionId],
    [FIELD.client, ({ client }) => client],
    [FIELD.kind, ({ kind }) => kind],
    [FIELD.method, ({ method }) => method],
    [FIELD.target, ({ target }) => (target === null ? undefined : authorityOf(target.host, target.port))],
    [FIELD.stage, ({ stage }) => stage],
    [FIELD.status, ({ status }) => status],
    [FIELD.cause, ({ cause }) => cause ?? 'ok'],
    [
      FIELD.selectorKey,
      ({ selectorFault }) => (selectorFault === null ? undefined : (nameOfFault(selectorFault) ?? undefined)),
    ],
    [FIELD.movedFrom, ({ moved }) => moved?.from],
    [FIELD.moveReason, ({ moved }) => moved?.reason],
    [FIELD.attempts, ({ attempts }) => attempts],
    [FIELD.totalMs, ({ startedAt, endedAt }) => round(endedAt - startedAt)],
    [FIELD.resolveMs, ({ resolveMs }) => round(resolveMs)],
    [FIELD.dialMs, ({ dialMs }) => round(dialMs)],
    [
      FIELD.firstByteMs,
      ({ startedAt, firstByteAt }) => (firstByteAt === -1 ? undefined : round(firstByteAt - startedAt)),
    ],
    [FIELD.bytesIn, ({ bytesIn }) => bytesIn],
    [FIELD.bytesOut, ({ bytesOut }) => bytesOut],
  ],
};

function round(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
