/**
 * The console's files, as they were built into `dist/console`: read when they are asked for, so that who never
 * opens it has none of it in memory. They hold no secret and need no key; the page asks for one.
 *
 * Invariant: what is served is one of FILES. No part of a path comes from a request.
 */
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

const FILES = [
  { path: '/console', name: 'index.html', type: 'text/html; charset=utf-8' },
  { path: '/console/console.js', name: 'console.js', type: 'text/javascript; charset=utf-8' },
  { path: '/console/console.css', name: 'console.css', type: 'text/css; charset=utf-8' },
  { path: '/console/icon.svg', name: 'icon.svg', type: 'image/svg+xml' },
] as const;

/** The best first. */
const CODINGS = [
  { coding: 'br', suffix: '.br' },
  { coding: 'gzip', suffix: '.gz' },
] as const;

/** Nothing but our own files and calls: no other host, no inline script or style, no frame around it. */
const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  // Asked for anew each time, and answered by 304: an upgrade shows at the next load.
  'cache-control': 'no-cache',
  vary: 'accept-encoding',
};

const NOT_BUILT = 'The console is not built: npm run build.\n';

/** Adds a route for each file. */
export function addConsole(app: FastifyInstance): void {
  app.get('/console/', async (_request, reply) => reply.redirect('/console', 308));
  for (const { path, name, type } of FILES) {
    app.get(path, (request, reply) => serve(request, reply.type(type), name));
  }
}

async function serve(request: FastifyRequest, reply: FastifyReply, name: string): Promise<FastifyReply> {
  const folder = folderOf();
  if (folder === null) return reply.code(404).type('text/plain').send(NOT_BUILT);
  const accepted = codingsOf(request.headers['accept-encoding']);
  const { coding, suffix } = CODINGS.find((each) => accepted.has(each.coding)) ?? { coding: null, suffix: '' };
  const file = new URL(`${name}${suffix}`, folder);
  const { size, mtimeMs } = await stat(file);
  const tag = `"${size.toString(36)}-${Math.round(mtimeMs).toString(36)}"`;
  void reply.headers(HEADERS).header('etag', tag);
  if (coding !== null) void reply.header('content-encoding', coding);
  if (request.headers['if-none-match'] === tag) return reply.code(304).send();
  return reply.send(await readFile(file));
}

/** Beside the bundle that this is part of, or where it is built to from source; null before it is built. */
function folderOf(): URL | null {
  const places = ['../console/', '../dist/console/'].map((path) => new URL(path, import.meta.url));
  return places.find((place) => existsSync(new URL('console.js', place))) ?? null;
}

/** The codings that a client takes; one of no quality it does not. */
function codingsOf(header: string | string[] | undefined): ReadonlySet<string> {
  const words = String(header ?? '')
    .toLowerCase()
    .split(',');
  return new Set(words.filter((word) => !/;\s*q=0(?:\.0*)?\s*$/.test(word)).map((word) => word.split(';')[0]!.trim()));
}
