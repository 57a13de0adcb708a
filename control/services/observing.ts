/** What the gateway does: what it would choose and why, and what became of a request. The stream is `tail.ts`. */
import type { ServiceImpl } from '@connectrpc/connect';
import { callOf, type Plane, workspaceOf } from '../call.ts';
import { explanationMessage, requestMessage } from '../convert/observed.ts';
import { notFound } from '../domain-error.ts';
import type { Proxies } from '../gen/proxies/v1/proxies_pb.ts';
import { canonicalTarget } from '../host.ts';
import { tailRequests } from './tail.ts';

type ObservingService = Pick<ServiceImpl<typeof Proxies>, 'resolveSession' | 'getRequest' | 'tailRequests'>;

export function observingService(plane: Plane): ObservingService {
  return {
    tailRequests: tailRequests(plane),
    async resolveSession(request, { values }) {
      const explanation = await plane.gateway.explain({
        workspaceId: workspaceOf(callOf(values)),
        username: request.username,
        targetHost: canonicalTarget(request.targetHost) ?? request.targetHost,
        targetPort: request.targetPort,
      });
      return explanationMessage(explanation);
    },
    async getRequest({ requestId }, { values }) {
      const record = await plane.gateway.findRequest(requestId);
      if (record === null || record.workspaceId !== workspaceOf(callOf(values))) throw notFound();
      return { request: requestMessage(record) };
    },
  };
}
