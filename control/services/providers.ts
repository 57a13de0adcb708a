/** Providers: the service, and how they are read. Each way to change one is a file of its own beside this. */
import type { ServiceImpl } from '@connectrpc/connect';
import type { ProviderId } from '../../src/core/model.ts';
import { inRequestOrder } from '../batch-order.ts';
import { callOf, type Plane, workspaceOf } from '../call.ts';
import { idBytes, idFrom } from '../convert/ids.ts';
import { providerMessage } from '../convert/providers.ts';
import { listPage } from '../cursor.ts';
import { notFound } from '../domain-error.ts';
import type { Proxies } from '../gen/proxies/v1/proxies_pb.ts';
import { listProviderIds, loadProvider, loadProviders } from '../store/providers.ts';
import { connectProvider } from './connect-provider.ts';
import { deleteProvider } from './delete-provider.ts';
import { refreshProviderState } from './refresh-provider.ts';
import { updateProvider } from './update-provider.ts';

type ProvidersService = Pick<
  ServiceImpl<typeof Proxies>,
  | 'connectProvider'
  | 'getProvider'
  | 'batchGetProviders'
  | 'updateProvider'
  | 'refreshProviderState'
  | 'deleteProvider'
  | 'listProviders'
>;

export function providersService(plane: Plane): ProvidersService {
  return {
    connectProvider: connectProvider(plane),
    updateProvider: updateProvider(plane),
    refreshProviderState: refreshProviderState(plane),
    deleteProvider: deleteProvider(plane),
    async getProvider(request, { values }) {
      const id = idFrom<ProviderId>(request.providerId);
      const provider = await loadProvider(plane.store.db, workspaceOf(callOf(values)), id);
      if (provider === null) throw notFound();
      return { provider: providerMessage(provider) };
    },
    async batchGetProviders(request, { values }) {
      const ids = request.providerIds.map((bytes) => idFrom<ProviderId>(bytes));
      const providers = await loadProviders(plane.store.db, workspaceOf(callOf(values)), ids);
      const { found, absent } = inRequestOrder(ids, providers);
      return { providers: found.map(providerMessage), notFoundIds: absent.map(idBytes) };
    },
    async listProviders(request, { values }) {
      const workspaceId = workspaceOf(callOf(values));
      const page = await listPage<ProviderId>(request, (wanted) =>
        listProviderIds(plane.store.db, workspaceId, wanted),
      );
      return { providerIds: page.ids.map(idBytes), nextCursor: page.nextCursor };
    },
  };
}
