/**
 * DeleteProvider: the provider and its sessions, in one transaction, slice by slice,
 * so that the plane's other calls go on; other writes wait for it, reads do not. What
 * was sealed is erased; assignments to the sessions stay. The gateway needs one change,
 * whatever the size.
 */
import { setImmediate as pause } from 'node:timers/promises';
import type { ServiceImpl } from '@connectrpc/connect';
import type { ProviderId } from '../../src/core/model.ts';
import { auditFields } from '../audit-diff.ts';
import { callOf, type Plane, workspaceOf } from '../call.ts';
import { idFrom } from '../convert/ids.ts';
import { providerMessage } from '../convert/providers.ts';
import { notFound } from '../domain-error.ts';
import { ProviderSchema, type Proxies } from '../gen/proxies/v1/proxies_pb.ts';
import { mutate } from '../mutation.ts';
import { forgetEndpointsOfProvider } from '../store/discovered-endpoints.ts';
import { softDeleteSessionsOfProvider } from '../store/provider-contents.ts';
import { loadProvider, softDeleteProvider } from '../store/providers.ts';
import { retireSeal } from '../store/seal-serials.ts';

export function deleteProvider(plane: Plane): ServiceImpl<typeof Proxies>['deleteProvider'] {
  return (request, { values }) => {
    const call = callOf(values);
    const workspaceId = workspaceOf(call);
    const providerId = idFrom<ProviderId>(request.providerId);
    return mutate(plane, call, async (tx) => {
      const provider = await loadProvider(tx, workspaceId, providerId);
      if (provider === null) throw notFound();
      const atMs = plane.clock.nowMs();
      const sessions = await softDeleteSessionsOfProvider(tx, providerId, atMs, () => pause());
      await forgetEndpointsOfProvider(tx, providerId, () => pause());
      await softDeleteProvider(tx, workspaceId, providerId, atMs);
      // Its row, put back into the file with its credentials, would open nothing.
      if (provider.credentialsSealed !== null) await retireSeal(tx, providerId);
      return {
        answer: {},
        changes: [{ kind: 'provider-gone', providerId }],
        workspaceId,
        objectId: providerId,
        count: 1 + sessions,
        before: auditFields(ProviderSchema, providerMessage(provider)),
        committed: () => plane.discovery.cancel(providerId),
      };
    });
  };
}
