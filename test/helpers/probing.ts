/** For tests of probes: policies that probe soon, and what became of the probes of a rig. */
import { connect } from 'node:net';
import { createServer, type TlsOptions } from 'node:tls';
import type { ProbePolicy, ProbeTarget } from '../../src/core/model.ts';
import type { SessionLiveState } from '../../src/core/observed.ts';
import { parseProbeAuthority, parseProbeUrl } from '../../src/core/probe-target.ts';
import { type GatewayRig, POOL, sessionId } from './gateway-rig.ts';

/** Far below what the API takes. */
export const INTERVAL_MS = 200;

export const TCP: ProbePolicy = { kind: 'tcp', target: null, intervalMs: INTERVAL_MS, timeoutMs: INTERVAL_MS };

/** A tunnel to this `host:port`. */
export function handshake(target: string, times: Partial<ProbePolicy> = {}): ProbePolicy {
  return { ...TCP, kind: 'handshake', target: read(parseProbeAuthority(target)), ...times };
}

/** A request for this URL. */
export function url(target: string, times: Partial<ProbePolicy> = {}): ProbePolicy {
  return { ...TCP, kind: 'url', target: read(parseProbeUrl(target)), ...times };
}

function read(target: ProbeTarget | string): ProbeTarget {
  if (typeof target === 'string') throw new Error(target);
  return target;
}

/** How often probes ended so. */
export function probed(rig: GatewayRig, outcome: string): number {
  return rig.gateway.snapshot().probes.find(({ labels }) => labels[0] === outcome)?.value ?? 0;
}

/** How many probes ended, whatever came of them. */
export function allProbed(rig: GatewayRig): number {
  return rig.gateway.snapshot().probes.reduce((sum, { value }) => sum + value, 0);
}

/** How session n fares. */
export function stateOf(rig: GatewayRig, n: number): SessionLiveState {
  const [state] = rig.gateway.sessionStates({ poolId: POOL, sessionIds: [sessionId(n)] });
  if (state === undefined) throw new Error(`no session ${n}`);
  return state;
}

/** An https upstream that opens every tunnel it is asked for to that port of loopback, and answers plain requests by itself. */
export async function startTlsConnector(options: TlsOptions) {
  const heads: string[] = [];
  const server = createServer(options, (socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (chunk: Buffer) => {
      const head = chunk.toString('latin1');
      heads.push(head);
      const port = /^CONNECT \S+:(\d+) /.exec(head)?.[1];
      if (port === undefined) return void socket.end('HTTP/1.1 204 No Content\r\n\r\n');
      const through = connect({ host: '127.0.0.1', port: Number(port) }, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        socket.pipe(through).pipe(socket);
      });
      through.on('error', () => socket.destroy());
      socket.once('close', () => through.destroy());
    });
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return { port, heads, close: () => new Promise((resolve) => server.close(resolve)) };
}
