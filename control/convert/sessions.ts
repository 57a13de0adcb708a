/** From a session's record to its message and to what the gateway must see. No rule is decided here. */
import { create } from '@bufbuild/protobuf';
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
  // Filled by hand: from what it is given at first, the library takes each field by looking at the schema.
  const message = create(pb.SessionSchema);
  message.id = idBytes(record.id);
  message.workspaceId = ownerBytes(record.workspaceId);
  message.poolId = ownerBytes(record.poolId);
  message.providerId = ownerBytes(record.providerId);
  message.token = record.token;
  message.enabled = record.enabled;
  Object.assign(message, stamps(record));
  if (record.scheme !== null) message.scheme = record.scheme;
  if (record.host !== null) message.host = record.host;
  if (record.port !== null) message.port = record.port;
  if (record.username !== null) message.username = record.username;
  if (record.tlsInsecure) message.tlsInsecure = true;
  if (record.labels !== null) message.labels = { ...record.labels };
  return message;
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
