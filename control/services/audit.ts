/** The audit record: who changed what. */
import type { ServiceImpl } from '@connectrpc/connect';
import type { Plane } from '../call.ts';
import type { Accounts } from '../gen/accounts/v1/accounts_pb.ts';

export function auditService(_plane: Plane): Partial<ServiceImpl<typeof Accounts>> {
  return {};
}
