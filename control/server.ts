/**
 * The control plane's HTTP face: fastify as router, the RPCs in an encapsulated
 * instance, the console, and the three plain pages that need no key. Called by `plane.ts`.
 *
 * Invariant: nothing is routed before the request was seen to be meant for us
 * (Host, Origin) and to be of a size that some method takes.
 */
import { isIP } from 'node:net';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { addConsole } from './console-pages.ts';
import { LISTEN_TIMEOUTS, type Listener, type ListenOptions, startListener } from './listener.ts';
import { LARGEST_MESSAGE_BYTES, type Routes } from './routes.ts';
import { mountRpcs } from './rpc-mount.ts';

export interface Probes {
  /** Index loaded, not draining, nothing broken. */
  readonly isReady: () => boolean;
  /** The metrics page, Prometheus text format. */
  readonly metrics: () => Promise<{ contentType: string; text: string }>;
}

export interface ServerOptions {
  readonly listen: { readonly host: string; readonly port: number };
  /** In lower case: what Host may say besides an address, localhost and the host of `listen`. */
  readonly names: readonly string[];
  readonly timeouts?: Omit<ListenOptions, 'host' | 'port'>;
}

export interface ControlServer {
  /** The base URL with the real port. */
  readonly url: string;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Time for calls under way at close, milliseconds. */
const CLOSE_GRACE_MS = 2_000;

/** No route has a schema, as messages are Connect's to check: fastify's compilers of schemas are never loaded (0019). */
const WITHOUT_SCHEMAS = { buildValidator: refuseSchema, buildSerializer: refuseSchema };

function refuseSchema(): never {
  throw new Error('routes of the control port have no schemas');
}

/** Starts listening; rejects with the system's error when the address cannot be had. */
export async function startServer(options: ServerOptions, routes: Routes, probes: Probes): Promise<ControlServer> {
  const { host } = options.listen;
  const names = new Set(['localhost', host.toLowerCase(), ...options.names]);
  const app = fastify({ exposeHeadRoutes: false, schemaController: { compilersFactory: WITHOUT_SCHEMAS } });
  addGuards(app, names);
  addProbes(app, probes);
  addConsole(app);
  await app.register(async (scope) => mountRpcs(scope, routes));
  await app.ready();
  const listener: Listener = await startListener((request, response) => app.routing(request, response), {
    ...options.listen,
    ...(options.timeouts ?? LISTEN_TIMEOUTS),
  });
  return {
    url: `http://${isIP(host) === 6 ? `[${host}]` : host}:${listener.port}`,
    async close() {
      await listener.close(CLOSE_GRACE_MS);
      await app.close();
    },
  };
}

function addProbes(app: FastifyInstance, probes: Probes): void {
  app.get('/livez', async (_request, reply) => reply.type('text/plain').send('ok\n'));
  app.get('/readyz', async (_request, reply) => {
    const ready = probes.isReady();
    return reply
      .code(ready ? 200 : 503)
      .type('text/plain')
      .send(ready ? 'ok\n' : 'not ready\n');
  });
  app.get('/metrics', async (_request, reply) => {
    const page = await probes.metrics();
    return reply.type(page.contentType).send(page.text);
  });
}

function addGuards(app: FastifyInstance, ourNames: ReadonlySet<string>): void {
  app.addHook('onRequest', (request, reply, done) => {
    const refusal = refusalOf(request, ourNames);
    if (refusal === null) return done();
    refuse(reply, refusal.status, refusal.message);
  });
  app.setNotFoundHandler((_request, reply) => refuse(reply, 404, 'There is no such method or page.'));
  app.setErrorHandler((error: { statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? 500;
    // Fastify's own texts may repeat what the client sent.
    return refuse(
      reply,
      status,
      status === 415 ? 'The content type must be application/json.' : 'The request cannot be served.',
    );
  });
}

/** Why the request is not for us at all, before anything looks at its path. */
function refusalOf(request: FastifyRequest, ourNames: ReadonlySet<string>): { status: number; message: string } | null {
  const { headers } = request;
  const authority = String(headers[':authority'] ?? headers.host ?? '');
  // DNS rebinding: a page of a stranger's name that resolves to us still sends the stranger's name.
  const host = hostOf(authority);
  if (isIP(host) === 0 && !ourNames.has(host)) return { status: 421, message: 'This host is not served here.' };
  // No CORS: a browser may call from our own pages only.
  if (headers.origin !== undefined && !isOwnOrigin(headers.origin, authority)) {
    return { status: 403, message: 'Calls from other origins are not served.' };
  }
  if (Number(headers['content-length'] ?? 0) > LARGEST_MESSAGE_BYTES) {
    return { status: 413, message: `The request is larger than ${LARGEST_MESSAGE_BYTES} bytes.` };
  }
  // Their JSON is decoded inside Connect, whose errors quote values; gRPC clients send binary.
  if (/^application\/grpc(-web)?\+json/i.test(headers['content-type'] ?? '')) {
    return { status: 415, message: 'gRPC messages must be binary.' };
  }
  return null;
}

/** Our own page's: in front of us may stand something that does TLS. */
function isOwnOrigin(origin: string, authority: string): boolean {
  return origin === `http://${authority}` || origin === `https://${authority}`;
}

/** The host of an authority without its port and brackets, lower case. */
function hostOf(authority: string): string {
  const bracketed = /^\[([^\]]*)\](:\d*)?$/.exec(authority);
  return (bracketed?.[1] ?? authority.replace(/:\d*$/, '')).toLowerCase();
}

function refuse(reply: FastifyReply, status: number, message: string): FastifyReply {
  // The body, if any, was not read: the connection cannot carry another request.
  if (reply.request.raw.httpVersionMajor === 1) reply.header('connection', 'close');
  return reply.code(status).send({ code: status >= 500 ? 'internal' : 'invalid_argument', message });
}
