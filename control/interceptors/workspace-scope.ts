/**
 * The tenancy rule, once for every method whose request names a workspace: it must
 * be the key's own, or for an operator's key any live one. Runs before validation,
 * so that a key learns nothing about requests to other workspaces.
 */
import type { Interceptor } from '@connectrpc/connect';
import type { WorkspaceId } from '../../src/core/model.ts';
import type { AccessTable } from '../access-table.ts';
import { callOf } from '../call.ts';
import { idFrom } from '../convert/ids.ts';
import { DomainError, notFound } from '../domain-error.ts';
import { messageOf } from '../json-body.ts';

const ID_BYTES = 16;

export function scopeToWorkspace(access: AccessTable): Interceptor {
  return (next) => async (request) => {
    const call = callOf(request.contextValues);
    if (call.rule.scope === 'named') {
      const bytes = (messageOf(request) as { workspaceId?: Uint8Array }).workspaceId;
      // A malformed id goes on: validation refuses it by name.
      if (bytes?.length === ID_BYTES) {
        const id = idFrom<WorkspaceId>(bytes);
        if (!call.caller.isOperator && id !== call.caller.workspaceId) throw new DomainError('permission_denied');
        if (!access.hasWorkspace(id)) throw notFound();
        call.workspaceId = id;
      }
    }
    return next(request);
  };
}
