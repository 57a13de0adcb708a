/**
 * `sallyport serve`: starts the application, says where it listens, and on the
 * first start how to use it; then waits for a stop, drains and closes.
 *
 * Invariant: the API key is printed on the first start only, and never logged.
 */
import type { App, Bootstrap } from '../app.ts';
import type { Config } from '../config.ts';
import { FIELD, type Logger } from '../core/log.ts';
import { startLogging } from '../logging.ts';

export interface ServeHost {
  readonly startApp: (config: Config, log: Logger) => Promise<App>;
  /** Resolves when the process is asked to stop. */
  readonly stopRequested: Promise<void>;
  /** Has a function called when the process ends, however it does, unless it is killed. */
  readonly atExit: (last: () => void) => void;
  /** Writes a line of text to standard output. */
  readonly print: (text: string) => void;
  /** Writes a line of text to standard error. */
  readonly complain: (text: string) => void;
}

/** Runs until stopped; answers the exit code: 0 after a clean drain, 1 after a failure. */
export async function serve(config: Config, host: ServeHost): Promise<number> {
  const logging = startLogging(config);
  const { log } = logging;
  host.atExit(() => logging.flushNow());
  let app: App;
  try {
    app = await host.startApp(config, log);
  } catch (error) {
    await logging.close();
    host.complain(`cannot start: ${startFailure(error)}`);
    return 1;
  }
  if (app.bootstrap) host.print(firstRunText(app.bootstrap));
  host.print(readyLine(app, config.logFormat));

  const failure = await Promise.race([host.stopRequested.then(() => null), app.failed]);
  if (failure) {
    log.error({ [FIELD.error]: failure }, 'a part of the process failed; stopping');
  } else {
    log.info({ grace_ms: config.drainGraceMs }, 'draining');
    await app.drain();
  }
  await app.close();
  log.info({}, 'stopped');
  await logging.close();
  return failure ? 1 : 0;
}

/** Printed whatever the log level is: supervisors and scripts wait for it. */
function readyLine({ controlUrl, gatewayUrls }: App, format: Config['logFormat']): string {
  if (format === 'pretty') return `sallyport is ready: control ${controlUrl}, gateway ${gatewayUrls.join(', ')}`;
  const time = new Date().toISOString();
  return JSON.stringify({ level: 'info', time, control_url: controlUrl, gateway_urls: gatewayUrls, msg: 'ready' });
}

/** What a person needs on the first start: the key, the ids, and three lines to paste. */
export function firstRunText(bootstrap: Bootstrap): string {
  const { apiKey, workspaceId, poolId, providerId, localPoolId, controlUrl, proxyUrl } = bootstrap;
  const session = JSON.stringify({
    workspaceId,
    poolId,
    providerId,
    token: 'my-first-exit',
    scheme: 'http',
    host: '203.0.113.10',
    port: 8080,
    username: 'user',
    password: 'pass',
  });
  return `
First start. This API key is shown this once (and kept in bootstrap.json in the data directory):

  ${apiKey}

  workspace ${workspaceId}   pool default ${poolId}   pool local ${localPoolId}   static provider ${providerId}

Create a session in pool "default" (put your own upstream proxy in place of 203.0.113.10):
  curl -sS ${controlUrl}/proxies.v1.Proxies/CreateSession -H 'Authorization: Bearer ${apiKey}' -H 'Content-Type: application/json' -d '${session}'

Send a request through pool "local", this machine's own exit (any URL that this machine can reach will do):
  curl -sS -x ${proxyUrl} https://example.com/

Watch what choosing a session costs:
  curl -sS ${controlUrl}/metrics | grep sallyport_resolve_duration

Or look at all of it in a browser, with the key above:
  ${controlUrl}/console
`;
}

/** One sentence for what keeps the process from starting; codes of the system are translated, the rest speaks for itself. */
export function startFailure(error: unknown): string {
  if (!(error instanceof Error)) return 'something that is no error was thrown';
  const { code, syscall, path, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  const place =
    address === undefined ? 'the address' : `${address.includes(':') ? `[${address}]` : address}:${port ?? ''}`;
  const listeners = 'SALLYPORT_CONTROL_LISTEN or SALLYPORT_GATEWAY_LISTEN';
  if (code === 'EADDRINUSE') return `${place} is already in use; stop what listens there, or set ${listeners}`;
  if (code === 'EADDRNOTAVAIL') return `${place} is no address of this machine; set ${listeners}`;
  if (code === 'EACCES' && syscall === 'listen')
    return `${place} may not be listened on by this user; set ${listeners}`;
  if (code !== undefined && path !== undefined) return `${path} cannot be used (${code})`;
  return error.message.split('\n', 1)[0] || error.name;
}
