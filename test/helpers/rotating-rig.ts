/**
 * A gateway with one rotating provider that mints tokens, its session 1 (token `own1`), and
 * the upstream behind it, which keeps the credential of every request in clear.
 */
import type { ProviderId, ProviderState, SessionState } from '../../src/core/model.ts';
import { compileTokenFormat } from '../../src/core/token-format.ts';
import { TokenMint } from '../../src/core/token-mint.ts';
import { type Ask, answersOf, askFor, SERVED, serving } from './failover.ts';
import { type GatewayRig, startGatewayRig, WORKSPACE } from './gateway-rig.ts';
import { type RawClient, type RecordingUpstream, startRecordingUpstream } from './wire.ts';

export const ROTATING = '018f8c20-1111-7aaa-8bbb-00000000000e' as ProviderId;

/** Sends `acme-joe…-session-<token>:pw:x`. */
const PROVIDER: Omit<ProviderState, 'endpoint'> = {
  id: ROTATING,
  workspaceId: WORKSPACE,
  name: null,
  type: 'gateway',
  enabled: true,
  usernameTemplate: 'acme-{username}[-country-{country}][-sesstime-{ttl_minutes}]-session-{token}',
  passwordTemplate: null,
  password: 'joe:pw:x',
  tokenFormat: '[a-z0-9]{12}',
  mintTokens: true,
  parameters: [],
};

/** What any gateway makes of a key, as one that never served a request. */
export function minted(
  key: string,
  over: Partial<Pick<ProviderState, 'workspaceId' | 'id' | 'tokenFormat'>> = {},
): string {
  const { workspaceId, id, tokenFormat } = { ...PROVIDER, ...over };
  const mint = new TokenMint({ workspaceId, providerId: id, format: compileTokenFormat(tokenFormat!)! });
  return mint.mint(key, () => false)!;
}

/** The credentials of the requests in these octets, in clear. */
export function credentialsIn(octets: string): string[] {
  const values = octets.matchAll(/^Proxy-Authorization: Basic (\S+)\r$/gm);
  return [...values].map(([, pair]) => Buffer.from(pair!, 'base64').toString());
}

export class RotatingRig {
  readonly gateway: GatewayRig;
  readonly upstream: RecordingUpstream;
  /** The credential of each request that reached the upstream, in order. */
  readonly seen: string[];
  /** Closed with the rig, if not before. */
  readonly clients: RawClient[] = [];

  private constructor(gateway: GatewayRig, upstream: RecordingUpstream, seen: string[]) {
    this.gateway = gateway;
    this.upstream = upstream;
    this.seen = seen;
  }

  static async start(): Promise<RotatingRig> {
    const seen: string[] = [];
    const upstream = await startRecordingUpstream((recorded, chunk) => {
      seen.push(...credentialsIn(chunk.toString('latin1')));
      serving(recorded, chunk);
    });
    const rig = new RotatingRig(await startGatewayRig(), upstream, seen);
    rig.putProvider();
    rig.putSession(1);
    return rig;
  }

  putProvider(fields: Partial<ProviderState> = {}): void {
    const endpoint = { scheme: 'http', host: '127.0.0.1', port: this.upstream.port } as const;
    this.gateway.gateway.apply([{ kind: 'provider-put', provider: { ...PROVIDER, endpoint, ...fields } }]);
  }

  /** Adds or replaces the provider's session n, whose token is `own<n>`. */
  putSession(n: number, fields: Partial<SessionState> = {}): void {
    const rotating = { providerId: ROTATING, token: `own${n}`, endpoint: null, username: null, password: null };
    this.gateway.put(n, 0, { ...rotating, ...fields });
  }

  /** Asks, and waits for the answer; the client's connection stays open. */
  async ask(username: string, how: Ask = 'GET'): Promise<{ client: RawClient; answers: string[] }> {
    const client = await askFor(this.gateway, how, username);
    this.clients.push(client);
    return { client, answers: await answersOf(client, how) };
  }

  /** The credential that a request was served with. */
  async sent(username: string, how: Ask = 'GET'): Promise<string> {
    const before = this.seen.length;
    const { client, answers } = await this.ask(username, how);
    client.close();
    const credentials = this.seen.slice(before);
    if (answers.join() !== SERVED[how] || credentials.length !== 1)
      throw new Error(`${how} as ${username} was answered ${answers}, and the upstream saw ${credentials}`);
    return credentials[0]!;
  }

  /** The token of a request that was served with nothing else. */
  async tokenSent(username: string, how?: Ask): Promise<string> {
    const credential = await this.sent(username, how);
    const [, token] = /^acme-joe-session-([^:]+):pw:x$/.exec(credential) ?? [];
    if (token === undefined) throw new Error(`it was sent ${credential}`);
    return token;
  }

  async close(): Promise<void> {
    for (const client of this.clients) client.close();
    await this.gateway.close();
    await this.upstream.close();
  }
}
