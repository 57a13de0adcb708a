/** New encryption keys: of a workspace, and the master key. */
import type { ServiceImpl } from '@connectrpc/connect';
import type { Plane } from '../call.ts';
import type { Accounts } from '../gen/accounts/v1/accounts_pb.ts';

export function keyRotationService(_plane: Plane): Partial<ServiceImpl<typeof Accounts>> {
  return {};
}
