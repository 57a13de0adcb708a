/** What `doctor` asks a server: its pools, its gateway, and one request through each provider. */
import { connect } from 'node:net';
import { type Pool, SessionHealth, uuidOf } from '../../client/client.ts';
import type { Call } from './command.ts';
import type { DoctorFlags } from './doctor.ts';
import { adviceFor, askGateway, isOpened } from './doctor-tunnel.ts';
import { bad, doubtful, type Finding, good } from './finding.ts';
import { allPools, allProviders, allSessions, kindOf, wordOfEnum } from './names.ts';
import type { Operator } from './operator.ts';

/** Sessions of a pool that are looked at. */
const LOOKED_AT = 1_000;
const CONNECT_MS = 5_000;

/** Whether each pool has a session that serves. */
export async function* checkPools(operator: Operator): AsyncGenerator<Finding> {
  for await (const pool of allPools(operator)) yield await lookAtPool(operator, pool);
}

async function lookAtPool(operator: Operator, pool: Pool): Promise<Finding> {
  const what = `pool ${pool.name}`;
  if (!pool.enabled) return doubtful(what, 'it is disabled', `sallyport pool enable ${pool.name}`);
  const workspaceId = await operator.workspaceId();
  const { states } = await operator.api.proxies.listSessionStates({ workspaceId, poolId: pool.id, limit: LOOKED_AT });
  if (states.length === 0)
    return doubtful(what, 'it has no session', `sallyport session import FILE --pool ${pool.name}`);
  const healthy = states.filter(({ health }) => health === SessionHealth.HEALTHY).length;
  const rest = Map.groupBy(states, ({ health }) => wordOfEnum(SessionHealth, health));
  const text = [...rest].map(([word, { length }]) => `${length} ${word}`).join(', ');
  const causes = new Map<string, number>();
  for (const { lastCause, health } of states) {
    if (lastCause !== undefined && health !== SessionHealth.HEALTHY)
      causes.set(lastCause, (causes.get(lastCause) ?? 0) + 1);
  }
  const [most] = [...causes].sort(([, a], [, b]) => b - a);
  const advice =
    most === undefined ? `sallyport session list --pool ${pool.name}` : `${most[0]}: ${adviceFor(most[0])}`;
  if (healthy === states.length) return good(what, text);
  return healthy === 0 ? bad(what, text, advice) : doubtful(what, text, advice);
}

/** Where the gateway is, and whether it takes connections; null where it cannot be asked. */
export async function* checkGateway({ operator, out }: Call, flags: DoctorFlags): AsyncGenerator<Finding, URL | null> {
  const address = flags.gateway ?? out.host.env.SALLYPORT_GATEWAY_URL ?? operator.gatewayUrl;
  if (address === undefined || !URL.canParse(address)) {
    yield doubtful('gateway', 'where it listens is not known', 'Say --gateway http://HOST:3128.');
    return null;
  }
  const url = new URL(address);
  const failure = await dial(url);
  if (failure === null) {
    yield good('gateway', `${address} takes connections`);
    return url;
  }
  yield bad(
    'gateway',
    `${address} takes no connection (${failure})`,
    'SALLYPORT_GATEWAY_LISTEN says where it listens; a firewall may be between.',
  );
  return null;
}

function dial({ hostname, port }: URL): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ host: hostname.replaceAll(/^\[|\]$/g, ''), port: Number(port || 80) });
    const end = (answer: string | null) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(CONNECT_MS, () => end('ETIMEDOUT'));
    socket.once('connect', () => end(null));
    socket.once('error', ({ code }: NodeJS.ErrnoException) => end(code ?? 'failed'));
  });
}

/** One CONNECT through each provider that has a session. */
export async function* checkProviders(operator: Operator, gateway: URL, target: string): AsyncGenerator<Finding> {
  const pools = new Map<string, string>();
  for await (const { id, name } of allPools(operator)) pools.set(uuidOf(id), name);
  for await (const provider of allProviders(operator)) {
    const what = `provider ${provider.name ?? kindOf(provider.type)}`;
    let pool: string | undefined;
    for await (const { poolId } of allSessions(operator, { providerId: Uint8Array.from(provider.id) }, 1)) {
      pool = pools.get(uuidOf(poolId));
    }
    if (pool === undefined) continue;
    const username = `${pool}-provider-${uuidOf(provider.id)}`;
    const answer = await askGateway(gateway, username, operator.apiKey, target);
    if (typeof answer === 'string') {
      yield bad(what, `the gateway gave no answer to a request for ${target} (${answer})`, NO_ANSWER);
    } else if (isOpened(answer)) yield good(what, `a tunnel to ${target} opened`);
    else {
      const { status, cause, requestId } = answer;
      const text = `a tunnel to ${target} did not open: ${status} ${cause} (request ${requestId})`;
      yield bad(what, text, adviceFor(cause));
    }
  }
}

const NO_ANSWER = 'Something else may listen there, or a TLS listener, or something cuts connections in between.';
