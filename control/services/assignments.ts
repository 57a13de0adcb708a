/** Assignments: accounts bound to sessions. */
import type { ServiceImpl } from '@connectrpc/connect';
import type { Plane } from '../call.ts';
import type { Proxies } from '../gen/proxies/v1/proxies_pb.ts';

export function assignmentsService(_plane: Plane): Partial<ServiceImpl<typeof Proxies>> {
  return {};
}
