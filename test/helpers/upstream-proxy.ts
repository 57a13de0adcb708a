/**
 * A third party's upstream proxy that demands credentials: proxy-chain, with its
 * own log of who asked for what.
 */
import { Server } from 'proxy-chain';

export interface UpstreamProxy {
  readonly port: number;
  /** One entry a request: the user it saw, and `host:port` it was asked for. */
  readonly log: { readonly username: string; readonly target: string; readonly plain: boolean }[];
  close(): Promise<void>;
}

/** `accepts` decides on username and password. */
export async function startUpstreamProxy(
  accepts: (username: string, password: string) => boolean,
): Promise<UpstreamProxy> {
  const log: UpstreamProxy['log'] = [];
  const server = new Server({
    host: '127.0.0.1',
    port: 0,
    prepareRequestFunction: ({ username, password, hostname, port, isHttp }) => {
      if (!accepts(username, password)) return { requestAuthentication: true };
      log.push({ username, target: `${hostname}:${port}`, plain: isHttp });
      return undefined;
    },
  });
  await server.listen();
  return { port: server.port, log, close: () => server.close(true) };
}
