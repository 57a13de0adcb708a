/** Daily traffic, as the usage writer booked it. */
import type { ServiceImpl } from '@connectrpc/connect';
import type { Plane } from '../call.ts';
import type { Proxies } from '../gen/proxies/v1/proxies_pb.ts';

export function usageService(_plane: Plane): Partial<ServiceImpl<typeof Proxies>> {
  return {};
}
