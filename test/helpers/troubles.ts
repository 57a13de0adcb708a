/**
 * How to bring a gateway into each trouble that does not depend on the door by which a
 * client comes: whoever asks for `a.test` next meets that cause. The tables of causes of
 * HTTP, SOCKS5 and extended clients are made of these.
 */
import { vi } from 'vitest';
import type { Cause } from '../../src/core/cause.ts';
import type { GatewayLimits } from '../../src/core/limits.ts';
import { Directory } from '../../src/core/pool-index/directory.ts';
import type { GatewayRig } from './gateway-rig.ts';
import {
  answering,
  type Behaviour,
  echoTunnel,
  eventually,
  RawClient,
  type RecordingUpstream,
  startRecordingUpstream,
} from './wire.ts';
import { startBlackhole } from './wire-blackhole.ts';

/** A gateway, and the upstream of its session 1. */
export interface World {
  readonly rig: GatewayRig;
  readonly upstream: RecordingUpstream;
}

export type Undo = () => unknown;

/** Which requests meet it: plain ones, and those for a tunnel. */
export type Asked = 'GET' | 'CONNECT';

export interface Trouble {
  readonly meets: readonly Asked[];
  /** What the gateway must be started with. */
  readonly limits?: Partial<GatewayLimits>;
  /** The username that runs into it, where it is that. */
  readonly username?: string;
  /** What the client is told, where it is another sentence than the cause's own. */
  readonly sentence?: string;
  /** Done before the client connects, however long it takes. What it answers undoes it. */
  readonly prepare?: (world: World) => Undo | undefined | Promise<Undo | undefined>;
  /** Done when the request was sent. */
  readonly meanwhile?: (world: World) => Promise<void>;
}

const BOTH = ['GET', 'CONNECT'] as const;

const silent: Behaviour = () => undefined;

function upstreamThat(behaviour: Behaviour) {
  return ({ upstream }: World) => void upstream.behave(behaviour);
}

/** Session 1 leads there, where nobody can be reached. */
function leadsTo(scheme: 'http' | 'https', host: string) {
  return ({ rig, upstream }: World) => void rig.put(1, 1, { endpoint: { scheme, host, port: upstream.port } });
}

/** Another client's tunnel, open or still asked for. */
async function anotherTunnel({ rig, upstream }: World, behaviour: Behaviour, isThere: (c: RawClient) => boolean) {
  upstream.behave(behaviour);
  const other = await RawClient.connect(rig.port);
  other.send(rig.head('CONNECT other.test:443'));
  await eventually('the other client is served', () => isThere(other));
  return () => other.close();
}

export const TROUBLES = {
  selector_invalid: { meets: BOTH, username: 'default-session-', sentence: 'The selector\'s "session" is not valid.' },
  pool_unknown: { meets: BOTH, username: 'nowhere' },
  pool_disabled: { meets: BOTH, prepare: ({ rig }) => void rig.putPool({}, { enabled: false }) },
  destination_denied: { meets: BOTH, prepare: ({ rig }) => void rig.putPool({ deny: ['a.test'] }) },
  loop_detected: { meets: BOTH, prepare: ({ rig }) => void rig.put(1, rig.port) },
  limit_reached: {
    meets: BOTH,
    limits: { maxConnectionsPerKey: 1 },
    prepare: (world) => anotherTunnel(world, echoTunnel, (other) => other.text.endsWith('\r\n\r\n')),
  },
  overloaded: {
    meets: BOTH,
    limits: { maxPendingDials: 1 },
    prepare: (world) => anotherTunnel(world, silent, () => world.upstream.received() !== ''),
  },
  draining: { meets: ['CONNECT'], prepare: ({ rig }) => void rig.gateway.refuseTunnels() },
  pool_empty: { meets: BOTH, prepare: ({ rig }) => void rig.remove(1) },
  pool_unhealthy: {
    meets: BOTH,
    prepare: async ({ rig, upstream }) => {
      rig.putPool({ maxEjectedPercent: 100, failuresToEject: 1 });
      upstream.behave(answering('garbage\r\n\r\n'));
      const other = await RawClient.connect(rig.port);
      await other.send(rig.head('GET http://other.test/', ['Connection: close'])).untilEnd();
      other.close();
      return undefined;
    },
  },
  session_unavailable: {
    meets: ['CONNECT'],
    prepare: upstreamThat(silent),
    meanwhile: async ({ rig, upstream }) => {
      await eventually('the upstream is asked', () => upstream.received() !== '');
      rig.remove(1);
    },
  },
  upstream_dns: { meets: BOTH, prepare: leadsTo('http', `${'l'.repeat(64)}.invalid`) },
  upstream_refused: {
    meets: BOTH,
    prepare: async ({ rig }) => {
      const gone = await startRecordingUpstream();
      await gone.close();
      rig.put(1, gone.port);
      return undefined;
    },
  },
  upstream_reset: { meets: BOTH, prepare: upstreamThat(({ socket }) => socket.end()) },
  upstream_unreachable: { meets: BOTH, prepare: leadsTo('http', '255.255.255.255') },
  upstream_connect_timeout: {
    meets: BOTH,
    limits: { connectTimeoutMs: 100 },
    prepare: async ({ rig }) => {
      const blackhole = await startBlackhole();
      rig.put(1, blackhole.port);
      return () => blackhole.close();
    },
  },
  upstream_reply_timeout: {
    meets: ['CONNECT'],
    limits: { connectReplyTimeoutMs: 100 },
    prepare: upstreamThat(silent),
  },
  upstream_tls: {
    meets: BOTH,
    prepare: (world) => {
      world.upstream.behave(({ socket }) => socket.write('HTTP/1.1 400 this is no TLS\r\n\r\n'));
      return leadsTo('https', '127.0.0.1')(world);
    },
  },
  upstream_auth_failed: {
    meets: BOTH,
    prepare: upstreamThat(answering('HTTP/1.1 407 x\r\nContent-Length: 0\r\n\r\n')),
  },
  upstream_protocol: { meets: BOTH, prepare: upstreamThat(answering('garbage\r\n\r\n')) },
  upstream_denied_target: { meets: ['CONNECT'], prepare: upstreamThat(answering('HTTP/1.1 403 x\r\n\r\n')) },
  target_unreachable: { meets: ['CONNECT'], prepare: upstreamThat(answering('HTTP/1.1 503 x\r\n\r\n')) },
  first_byte_timeout: { meets: ['GET'], limits: { firstByteTimeoutMs: 100 }, prepare: upstreamThat(silent) },
  internal: {
    meets: BOTH,
    // A fault of ours cannot be had: if one were known, it would be mended.
    prepare: () => {
      const spy = vi.spyOn(Directory.prototype, 'findPool').mockImplementationOnce(() => {
        throw new TypeError('a fault of ours');
      });
      return () => spy.mockRestore();
    },
  },
} as const satisfies { readonly [cause in Cause]?: Trouble };
