/**
 * Connect's handlers as routes of fastify: one a method, for all three protocols.
 * Called by `server.ts`. Ours in place of the library's plugin, which prints to the
 * console whenever a client goes away in the middle of an answer.
 *
 *   fastify (guards) ─ set the body aside ─ handler ─ answer, written as its messages come
 */
import { createConnectRouter } from '@connectrpc/connect';
import { universalResponseToNodeResponse } from '@connectrpc/connect-node';
import type { FastifyInstance } from 'fastify';
import { ANSWER_COMPRESSIONS } from './answer-compression.ts';
import { connectRequest } from './connect-request.ts';
import { boundTimer } from './interceptors/deadline.ts';
import { responseJson, setBodyAside } from './json-body.ts';
import type { Routes } from './routes.ts';

/** Every content type that a protocol has; which of them a method takes is Connect's to say. */
const CONTENT_TYPE =
  /^application\/(?:(?:connect\+)?(?:json|proto)|grpc(?:-web)?(?:-text)?(?:\+(?:json|proto))?)\s*(?:;|$)/i;

/** Adds the routes to a fastify instance of their own. */
export function mountRpcs(scope: FastifyInstance, { routes, ...options }: Routes): void {
  const acceptCompression = [...ANSWER_COMPRESSIONS];
  const router = createConnectRouter({ ...options, acceptCompression, jsonOptions: responseJson });
  routes(router);
  // Bodies stay in their sockets until the interceptors ask.
  for (const type of ['application/json', CONTENT_TYPE]) {
    scope.addContentTypeParser(type, (_request, _body, done) => done(null));
  }
  for (const handle of router.handlers) {
    scope.all(handle.requestPath, async ({ raw }, reply) => {
      const request = connectRequest(handle.requestPath, raw, reply.raw, setBodyAside(raw));
      boundTimer(request.header);
      const answer = await handle(request);
      reply.hijack();
      // It fails when the client is gone: the call has been booked so, and there is nobody to tell.
      void universalResponseToNodeResponse(answer, reply.raw).catch(() => reply.raw.destroy());
    });
  }
}
