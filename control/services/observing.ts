/** What the gateway does: explanations and records of requests. */
import type { ServiceImpl } from '@connectrpc/connect';
import type { Plane } from '../call.ts';
import type { Proxies } from '../gen/proxies/v1/proxies_pb.ts';

export function observingService(_plane: Plane): Partial<ServiceImpl<typeof Proxies>> {
  return {};
}
