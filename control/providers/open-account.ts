/** From a provider's row to what its sealed credentials open. */
import type { Kysely } from 'kysely';
import { endpointOf } from '../convert/sessions.ts';
import type { Secret } from '../secrets/secret.ts';
import type { Vault } from '../secrets/vault.ts';
import type { ProviderRecord } from '../store/providers.ts';
import type { Schema } from '../store/schema.ts';
import { loadSealSerial } from '../store/seal-serials.ts';
import { readAccount } from './account.ts';
import type { AccountInterface } from './account-interface.ts';
import type { VendorAccounts } from './vendor-accounts.ts';

/** The provider's credentials; null without any. Rejects with a SecretError `unsealable` when they do not open. */
export async function openCredentials(
  vault: Vault,
  db: Kysely<Schema>,
  provider: ProviderRecord,
): Promise<Secret | null> {
  const { id: providerId, workspaceId, credentialsSealed } = provider;
  if (credentialsSealed === null) return null;
  const sealer = await vault.forWorkspace(db, workspaceId);
  const place = { providerId, endpoint: endpointOf(provider), serial: await loadSealSerial(db, providerId) };
  return sealer.openProviderCredentials(place, credentialsSealed);
}

/** The vendor's account interface with the provider's key; null where there is none. Rejects as `openCredentials` does. */
export async function openAccountOf(
  accounts: VendorAccounts,
  vault: Vault,
  db: Kysely<Schema>,
  provider: ProviderRecord,
): Promise<AccountInterface | null> {
  const credentials = await openCredentials(vault, db, provider);
  const account = credentials === null ? null : readAccount(provider, credentials.reveal());
  return account === null || typeof account === 'string' ? null : accounts.open(provider.type, account);
}
