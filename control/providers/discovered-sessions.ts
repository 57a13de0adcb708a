/**
 * Makes sessions follow a vendor's list, a batch at a time, inside the caller's
 * transaction. Called by `discovery-run.ts`.
 *
 *   listed, unknown ........ a new session; a token that the provider's own session has is adopted
 *   listed, known .......... endpoint, credentials and place as listed; enabled again if discovery had disabled it
 *   listed, known, deleted . nothing: the operator did not want it
 *   not listed any more .... disabled, never deleted; forgotten when its session is deleted
 *
 * What an operator decides stays: enabling, disabling and other labels.
 */
import type { Transaction } from 'kysely';
import type { Change, PoolId, ProviderId, SessionId, WorkspaceId } from '../../src/core/model.ts';
import type { Plane } from '../call.ts';
import { endpointOf, sessionPut } from '../convert/sessions.ts';
import { Secret } from '../secrets/secret.ts';
import { SecretError } from '../secrets/secret-error.ts';
import type { WorkspaceSealer } from '../secrets/workspace-sealer.ts';
import {
  findKnownEndpoints,
  forgetEndpoints,
  type KnownEndpoint,
  markVanished,
  putSeenEndpoints,
  type SeenEndpoint,
} from '../store/discovered-endpoints.ts';
import type { Schema } from '../store/schema.ts';
import { nextSealSerial } from '../store/seal-serials.ts';
import { insertSessions } from '../store/session-bulk.ts';
import { findSessionsByTokens, loadSessions, replaceSession, type SessionRecord } from '../store/sessions.ts';
import type { ListedEndpoint } from './account-interface.ts';

/** Where discovered sessions go, and the run that finds them. */
export interface DiscoveryTarget {
  readonly workspaceId: WorkspaceId;
  readonly providerId: ProviderId;
  readonly poolId: PoolId;
  readonly run: number;
}

/** What a batch came to; `taken` counts endpoints left out, as another provider's session has their token in the pool. */
export interface BatchResult {
  readonly changes: readonly Change[];
  readonly created: number;
  readonly updated: number;
  readonly enabled: number;
  readonly taken: number;
}

type BatchPlane = Pick<Plane, 'clock' | 'newId'>;

/** Brings the sessions of one batch of the list up to date; meant for 1,000 endpoints or fewer. */
export async function applyListed(
  plane: BatchPlane,
  tx: Transaction<Schema>,
  target: DiscoveryTarget,
  sealer: WorkspaceSealer,
  listed: readonly ListedEndpoint[],
  pause: () => Promise<void>,
): Promise<BatchResult> {
  const byKey = new Map(listed.map((endpoint) => [endpoint.key, endpoint]));
  const { known, live } = await loadKnown(tx, target, [...byKey.keys()]);
  const unknown = [...byKey.values()].filter(({ key }) => !known.has(key));
  const tokens = unknown.map(({ token }) => token);
  const holders = new Map((await findSessionsByTokens(tx, target.poolId, tokens)).map((held) => [held.token, held]));
  const made = makeSessions(plane, target, sealer, unknown, holders);
  await insertSessions(tx, made.records, pause);

  const seen = [...made.seen];
  const changes: Change[] = [...made.changes];
  let updated = 0;
  let enabled = 0;
  for (const endpoint of known.values()) {
    seen.push(endpoint);
    const session = live.get(endpoint.sessionId);
    const follow = session && followListed(sealer, session, byKey.get(endpoint.key)!, endpoint);
    if (!follow) continue;
    const { enabled: isEnabled, password } = follow;
    const touched = { ...follow.session, version: session.version + 1, updatedAtMs: plane.clock.nowMs() };
    const record = follow.resealed ? await reseal(tx, sealer, session, touched, password) : touched;
    await replaceSession(tx, record);
    changes.push(sessionPut(record, password));
    if (follow.moved) updated++;
    if (isEnabled) enabled++;
  }
  await putSeenEndpoints(tx, target.providerId, target.run, seen);
  return { changes, created: made.records.length, updated, enabled, taken: made.taken };
}

/** The keys' endpoints that are known, and their live sessions. One whose pool is no longer the target counts as new. */
async function loadKnown(
  tx: Transaction<Schema>,
  { workspaceId, providerId, poolId }: DiscoveryTarget,
  keys: readonly string[],
): Promise<{ known: Map<string, KnownEndpoint>; live: Map<SessionId, SessionRecord> }> {
  const found = await findKnownEndpoints(tx, providerId, keys);
  const kept = found.filter((endpoint) => endpoint.isSessionLive || endpoint.poolId === poolId);
  const liveIds = kept.filter(({ isSessionLive }) => isSessionLive).map(({ sessionId }) => sessionId);
  const live = await loadSessions(tx, workspaceId, liveIds);
  return {
    known: new Map(kept.map((endpoint) => [endpoint.key, endpoint])),
    live: new Map(live.map((session) => [session.id, session])),
  };
}

interface MadeSessions {
  readonly records: readonly SessionRecord[];
  readonly changes: readonly Change[];
  readonly seen: readonly { readonly key: string; readonly sessionId: SessionId }[];
  readonly taken: number;
}

function makeSessions(
  plane: BatchPlane,
  target: DiscoveryTarget,
  sealer: WorkspaceSealer,
  unknown: readonly ListedEndpoint[],
  holders: ReadonlyMap<string, SessionRecord>,
): MadeSessions {
  const records: SessionRecord[] = [];
  const changes: Change[] = [];
  const seen: { key: string; sessionId: SessionId }[] = [];
  const tokens = new Set<string>();
  let taken = 0;
  for (const endpoint of unknown) {
    const holder = holders.get(endpoint.token);
    if (holder?.providerId === target.providerId) {
      seen.push({ key: endpoint.key, sessionId: holder.id });
    } else if (holder !== undefined || tokens.has(endpoint.token)) {
      taken++;
    } else {
      const session = newSession(plane, target, endpoint);
      const password = endpoint.password === null ? null : new Secret(endpoint.password);
      const record = { ...session, passwordSealed: sealPassword(sealer, session, FIRST_SERIAL, password) };
      tokens.add(endpoint.token);
      records.push(record);
      changes.push(sessionPut(record, password));
      seen.push({ key: endpoint.key, sessionId: record.id });
    }
  }
  return { records, changes, seen, taken };
}

function newSession(plane: BatchPlane, target: DiscoveryTarget, listed: ListedEndpoint): SessionRecord {
  const nowMs = plane.clock.nowMs();
  return {
    id: plane.newId<SessionId>(),
    workspaceId: target.workspaceId,
    poolId: target.poolId,
    providerId: target.providerId,
    token: listed.token,
    ...shapeOf(listed),
    passwordSealed: null,
    labels: mergedLabels(null, listed),
    enabled: true,
    version: 1,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    unusable: false,
    tlsInsecure: false,
  };
}

/** A session as its vendor lists it. */
interface Followed {
  readonly session: SessionRecord;
  readonly password: Secret | null;
  /** Its password must be sealed anew: it is another one, or goes elsewhere. */
  readonly resealed: boolean;
  /** More than enabled again. */
  readonly moved: boolean;
  readonly enabled: boolean;
}

/** The session as listed; null when it is so already. */
function followListed(
  sealer: WorkspaceSealer,
  session: SessionRecord,
  listed: ListedEndpoint,
  { vanished, serial }: KnownEndpoint,
): Followed | null {
  const shape = shapeOf(listed);
  const labels = mergedLabels(session.labels, listed);
  const sameShape = (['scheme', 'host', 'port', 'username'] as const).every((field) => session[field] === shape[field]);
  const samePassword = storedPassword(sealer, session, serial) === listed.password;
  const sameLabels = JSON.stringify(labels) === JSON.stringify(session.labels);
  const moved = !sameShape || !samePassword || !sameLabels;
  const enabled = vanished && !session.enabled;
  if (!moved && !enabled) return null;
  return {
    session: { ...session, ...shape, labels, enabled: session.enabled || vanished },
    password: listed.password === null ? null : new Secret(listed.password),
    resealed: !sameShape || !samePassword,
    moved,
    enabled,
  };
}

/** The record with its password sealed anew: a blob opens for the endpoint that it was sealed for only. */
async function reseal(
  tx: Transaction<Schema>,
  sealer: WorkspaceSealer,
  before: SessionRecord,
  record: SessionRecord,
  password: Secret | null,
): Promise<SessionRecord> {
  const serial = await nextSealSerial(tx, record.id, before.passwordSealed !== null);
  return { ...record, passwordSealed: sealPassword(sealer, record, serial, password), unusable: false };
}

function shapeOf({ endpoint, username }: ListedEndpoint): Pick<SessionRecord, 'scheme' | 'host' | 'port' | 'username'> {
  return { scheme: endpoint?.scheme ?? null, host: endpoint?.host ?? null, port: endpoint?.port ?? null, username };
}

/** What the first password of a row is sealed under. */
const FIRST_SERIAL = 1;
/** Most labels that a session may have. */
const MAX_LABELS = 16;

/** The operator's labels with the place as listed; where that would be too many, as they were. */
function mergedLabels(before: SessionRecord['labels'], { labels }: ListedEndpoint): SessionRecord['labels'] {
  const merged = { ...before, ...labels };
  if (Object.keys(merged).length > MAX_LABELS) return before;
  return Object.keys(merged).length === 0 ? null : merged;
}

function sealPassword(
  sealer: WorkspaceSealer,
  session: Pick<SessionRecord, 'id' | 'scheme' | 'host' | 'port' | 'tlsInsecure'>,
  serial: number,
  password: Secret | null,
): Buffer | null {
  const endpoint = endpointOf(session);
  if (password === null || endpoint === null) return null;
  const { id: sessionId, tlsInsecure } = session;
  return sealer.sealSessionPassword({ sessionId, endpoint, tlsInsecure, serial }, password);
}

/** The stored password; null without one, undefined for one that does not open any more. */
function storedPassword(sealer: WorkspaceSealer, session: SessionRecord, serial: number): string | null | undefined {
  const endpoint = endpointOf(session);
  if (session.passwordSealed === null) return null;
  if (endpoint === null) return undefined;
  try {
    const { id: sessionId, tlsInsecure, passwordSealed } = session;
    return sealer.openSessionPassword({ sessionId, endpoint, tlsInsecure, serial }, passwordSealed).reveal();
  } catch (error) {
    if (error instanceof SecretError && error.kind === 'unsealable') return undefined;
    throw error;
  }
}

/** Disables the sessions of endpoints that the run did not see; answers how many, and what the gateway must see of it. */
export async function disableVanished(
  plane: BatchPlane,
  tx: Transaction<Schema>,
  { workspaceId, providerId }: DiscoveryTarget,
  sealer: WorkspaceSealer,
  gone: readonly SeenEndpoint[],
): Promise<{ changes: readonly Change[]; disabled: number }> {
  const sessions = await loadSessions(
    tx,
    workspaceId,
    gone.map(({ sessionId }) => sessionId),
  );
  const live = new Map(sessions.map((session) => [session.id, session]));
  const changes: Change[] = [];
  const disabled: string[] = [];
  const forgotten: string[] = [];
  for (const { key, sessionId, serial } of gone) {
    const session = live.get(sessionId);
    if (session === undefined) forgotten.push(key);
    // One that its operator disabled stays theirs: it is not enabled when the endpoint is back.
    if (!session?.enabled) continue;
    const record = { ...session, enabled: false, version: session.version + 1, updatedAtMs: plane.clock.nowMs() };
    await replaceSession(tx, record);
    const password = storedPassword(sealer, session, serial);
    // The gateway was never given one whose password does not open.
    if (password !== undefined) changes.push(sessionPut(record, password === null ? null : new Secret(password)));
    disabled.push(key);
  }
  await markVanished(tx, providerId, disabled);
  await forgetEndpoints(tx, providerId, forgotten);
  return { changes, disabled: disabled.length };
}
