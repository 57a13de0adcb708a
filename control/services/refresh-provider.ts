/**
 * RefreshProviderState: asks the vendor how the account stands, outside of any
 * transaction, and writes down what it says. A vendor that lists its endpoints is then
 * asked for them in the background.
 */
import { create, type MessageInitShape, toJsonString } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import type { ProviderId } from '../../src/core/model.ts';
import { callOf, type Plane, workspaceOf } from '../call.ts';
import { idFrom } from '../convert/ids.ts';
import { providerMessage } from '../convert/providers.ts';
import { DomainError, notFound } from '../domain-error.ts';
import { ProviderStateSchema, type Proxies } from '../gen/proxies/v1/proxies_pb.ts';
import { mutate } from '../mutation.ts';
import type { AccountState } from '../providers/account-interface.ts';
import { running } from '../providers/discovery-state.ts';
import { openAccountOf } from '../providers/open-account.ts';
import { toDomainError, VendorError } from '../providers/vendor-error.ts';
import { SecretError } from '../secrets/secret-error.ts';
import { loadProvider, observeProvider, type ProviderRecord } from '../store/providers.ts';

/** Other callers may wait for the same answer, so none of them stops it; its own deadline does. */
const UNTIL_ANSWERED = new AbortController().signal;

export function refreshProviderState(plane: Plane): ServiceImpl<typeof Proxies>['refreshProviderState'] {
  const asking = new Map<ProviderId, Promise<AccountState>>();
  return async (request, { values }) => {
    const call = callOf(values);
    const workspaceId = workspaceOf(call);
    const providerId = idFrom<ProviderId>(request.providerId);
    const provider = await loadProvider(plane.store.db, workspaceId, providerId);
    if (provider === null) throw notFound();
    const state = stateText(await askTogether(asking, providerId, () => askVendor(plane, provider)));
    return mutate(plane, call, async (tx) => {
      const before = await loadProvider(tx, workspaceId, providerId);
      if (before === null) throw notFound();
      const stateRefreshedAtMs = plane.clock.nowMs();
      const discovers = before.hasApiKey && before.targetPoolId !== null;
      const begins = discovers && !plane.discovery.isUnderWay(providerId);
      const discovery = begins ? running(stateRefreshedAtMs) : before.discovery;
      await observeProvider(tx, providerId, { state, stateRefreshedAtMs, discovery });
      return {
        answer: { provider: providerMessage({ ...before, state, stateRefreshedAtMs, discovery }) },
        changes: [],
        workspaceId,
        objectId: providerId,
        // Seen, not changed: the provider's version stays.
        count: 0,
        committed: () => {
          if (begins) plane.discovery.start({ workspaceId, providerId });
        },
      };
    });
  };
}

/** Callers who ask about one provider at the same time share one question, so that none of them can press a vendor. */
async function askTogether(
  asking: Map<ProviderId, Promise<AccountState>>,
  providerId: ProviderId,
  ask: () => Promise<AccountState>,
): Promise<AccountState> {
  const underWay = asking.get(providerId);
  if (underWay !== undefined) return underWay;
  const question = ask().finally(() => asking.delete(providerId));
  asking.set(providerId, question);
  return question;
}

async function askVendor(plane: Plane, provider: ProviderRecord): Promise<AccountState> {
  if (!provider.hasApiKey) {
    const detail = 'capabilities.stateApi: the provider has no account interface here, or its credentials no apiKey';
    throw new DomainError('failed_precondition', detail);
  }
  try {
    const account = await openAccountOf(plane.vendorAccounts, plane.vault, plane.store.db, provider);
    if (account === null) throw new SecretError('unsealable', 'credentials without an apiKey in a row that has one');
    return await account.loadState(UNTIL_ANSWERED);
  } catch (error) {
    if (error instanceof VendorError) throw toDomainError(error);
    if (!(error instanceof SecretError) || error.kind !== 'unsealable') throw error;
    throw new DomainError('failed_precondition', 'credentials: the stored ones cannot be read; give them again');
  }
}

function stateText({ bandwidthLimitBytes, bandwidthUsedBytes, plan, geoCount }: AccountState): string {
  const init: MessageInitShape<typeof ProviderStateSchema> = {};
  if (bandwidthLimitBytes !== undefined) init.bandwidthLimitBytes = BigInt(bandwidthLimitBytes);
  if (bandwidthUsedBytes !== undefined) init.bandwidthUsedBytes = BigInt(bandwidthUsedBytes);
  if (plan !== undefined) init.plan = plan;
  if (geoCount !== undefined) init.geoCount = geoCount;
  return toJsonString(ProviderStateSchema, create(ProviderStateSchema, init));
}
