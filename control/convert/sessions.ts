/** From a session's record to its message and to what the gateway must see. No rule is decided here. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Change, type Endpoint, LABEL_KEYS, type SessionLabels } from '../../src/core/model.ts';
import * as pb from '../gen/proxies/v1/proxies_pb.ts';
import type { Secret } from '../secrets/secret.ts';
import type { SessionRecord, ShownSession } from '../store/sessions.ts';
import { idBytes, stamps } from './ids.ts';

/**
 * The session as it may be seen: whether it has a password does not show. `ownerBytes` may hand out the bytes of the
 * ids that many sessions share, in place of new ones for each.
 */
export function sessionMessage(record: ShownSession, ownerBytes = idBytes): pb.Session {
  const init: MessageInitShape<typeof pb.SessionSchema> = {
    id: idBytes(record.id),
    workspaceId: ownerBytes(record.workspaceId),
    poolId: ownerBytes(record.poolId),
    providerId: ownerBytes(record.providerId),
    token: record.token,
    enabled: record.enabled,
    ...stamps(record),
  };
  if (record.scheme !== null) init.scheme = record.scheme;
  if (record.host !== null) init.host = record.host;
  if (record.port !== null) init.port = record.port;
  if (record.username !== null) init.username = record.username;
  if (record.tlsInsecure) init.tlsInsecure = true;
  if (record.labels !== null) init.labels = { ...record.labels };
  return create(pb.SessionSchema, init);
}

/** Where a session's password is sent: its own endpoint, or null where it has none. */
export function endpointOf(record: Pick<SessionRecord, 'scheme' | 'host' | 'port'>): Endpoint | null {
  const { scheme, host, port } = record;
  return scheme === null || host === null || port === null ? null : { scheme, host, port };
}

/** What the gateway is told of a session, its password aside. */
type PuttableSession = Pick<
  SessionRecord,
  | 'id'
  | 'poolId'
  | 'providerId'
  | 'token'
  | 'scheme'
  | 'host'
  | 'port'
  | 'username'
  | 'labels'
  | 'enabled'
  | 'tlsInsecure'
>;

/** The session as the gateway needs it, password in clear. */
export function sessionPut(record: PuttableSession, password: Secret | null): Change {
  const endpoint = endpointOf(record);
  return {
    kind: 'session-put',
    session: {
      id: record.id,
      poolId: record.poolId,
      providerId: record.providerId,
      token: record.token,
      endpoint,
      localAddress: endpoint === null ? record.host : null,
      username: record.username,
      password: password?.reveal() ?? null,
      tlsInsecure: record.tlsInsecure,
      labels: knownLabels(record.labels),
      enabled: record.enabled,
    },
  };
}

/** Those that clients can ask for, as they are compared. */
function knownLabels(labels: SessionRecord['labels']): SessionLabels | null {
  if (labels === null) return null;
  const known = LABEL_KEYS.filter((key) => labels[key] !== undefined).map((key) => [key, labels[key]!.toLowerCase()]);
  return known.length === 0 ? null : Object.fromEntries(known);
}
