/** Seals and opens the secrets of one workspace, each in its place. Made by `vault.ts`, which has the keys. */
import type { Endpoint, ProviderId, SessionId, WorkspaceId } from '../../src/core/model.ts';
import type { RandomFill } from '../random-pool.ts';
import { open, type SealedPlace, type SealingKey, seal } from './sealing.ts';
import { Secret } from './secret.ts';
import { SecretError } from './secret-error.ts';

/** The place of a session's password. */
export interface SessionPlace {
  readonly sessionId: SessionId;
  readonly endpoint: Endpoint;
  /** Whether it is sent there without a look at the certificate: what was sealed for one is not sent the other way. */
  readonly tlsInsecure: boolean;
  /** Of `store/seal-serials.ts`; 1 for a new session. */
  readonly serial: number;
}

/** The place of a provider's credentials. */
export interface ProviderPlace {
  readonly providerId: ProviderId;
  readonly endpoint: Endpoint | null;
  /** As a session's. */
  readonly serial: number;
}

/** Opening throws a SecretError of kind `unsealable`. */
export interface WorkspaceSealer {
  /** Version of the key that seals. */
  readonly version: number;
  sealSessionPassword(place: SessionPlace, password: Secret): Buffer;
  openSessionPassword(place: SessionPlace, blob: Uint8Array): Secret;
  sealProviderCredentials(place: ProviderPlace, credentials: Secret): Buffer;
  openProviderCredentials(place: ProviderPlace, blob: Uint8Array): Secret;
}

/** `keys` in rising order of version: the last one seals, all of them open. Throws a SecretError without any. */
export function createSealer(
  workspaceId: WorkspaceId,
  keys: readonly SealingKey[],
  fillRandom: RandomFill,
  onSeal: (version: number) => void,
): WorkspaceSealer {
  const current = keys.at(-1);
  if (current === undefined) {
    throw new SecretError('no-workspace-key', `workspace ${workspaceId} has no encryption key`);
  }
  const byVersion = new Map(keys.map(({ version, key }) => [version, key]));
  const keyOf = (version: number) => byVersion.get(version);
  const session = ({ sessionId, endpoint, tlsInsecure, serial }: SessionPlace): SealedPlace => {
    const column = tlsInsecure ? 'sessions.password unchecked' : 'sessions.password';
    return { workspaceId, rowId: sessionId, column, endpoint, serial };
  };
  const provider = ({ providerId, endpoint, serial }: ProviderPlace): SealedPlace => {
    return { workspaceId, rowId: providerId, column: 'providers.credentials', endpoint, serial };
  };
  const sealText = (place: SealedPlace, secret: Secret) => {
    onSeal(current.version);
    return seal(current, place, Buffer.from(secret.reveal()), fillRandom);
  };
  const openText = (place: SealedPlace, blob: Uint8Array) => new Secret(open(keyOf, place, blob).toString());
  return {
    version: current.version,
    sealSessionPassword: (place, password) => sealText(session(place), password),
    openSessionPassword: (place, blob) => openText(session(place), blob),
    sealProviderCredentials: (place, credentials) => sealText(provider(place), credentials),
    openProviderCredentials: (place, blob) => openText(provider(place), blob),
  };
}
