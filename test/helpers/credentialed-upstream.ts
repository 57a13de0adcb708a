/**
 * What the tests want of any upstream proxy that demands credentials, whoever
 * made it; and proxy-chain seen that way. Squid and tinyproxy have files of their own.
 */
import { startUpstreamProxy } from './upstream-proxy.ts';

export interface CredentialedUpstream {
  readonly port: number;
  /** Whether its log names the user of each request. */
  readonly namesUsers: boolean;
  /** Status with which it refuses the credential of a plain request. */
  readonly refusesPlainWith: 401 | 407;
  /** Its own log so far: a line a request, with the user where it names users, and the target. */
  log(): string;
  close(): Promise<void>;
}

/** Starts an upstream that takes these users with these passwords, and nobody else; anybody where there is none. */
export type StartUpstream = (accounts: ReadonlyMap<string, string>) => Promise<CredentialedUpstream>;

export const startProxyChain: StartUpstream = async (accounts) => {
  const proxy = await startUpstreamProxy(
    (username, password) => accounts.size === 0 || (accounts.has(username) && accounts.get(username) === password),
  );
  return {
    port: proxy.port,
    namesUsers: true,
    refusesPlainWith: 407,
    log: () => proxy.log.map(({ username, target }) => `${username} ${target}\n`).join(''),
    close: () => proxy.close(),
  };
};
