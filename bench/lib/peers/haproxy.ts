/**
 * HAProxy as a relay to the upstream proxy, one thread: injects one of the sixteen
 * credentials at random from a map. Clients are not asked for a password.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { basic, UPSTREAM_CREDENTIALS } from '../credentials.ts';
import { type Child, freePort, type Stage } from '../stage.ts';

export async function startHaproxy(
  program: string,
  stage: Stage,
  upstreamPort: number,
): Promise<{ child: Child; port: number }> {
  const port = await freePort();
  const folder = stage.folder('haproxy');
  const map = join(folder, 'credentials.map');
  writeFileSync(map, UPSTREAM_CREDENTIALS.map((each, i) => `${i} ${basic(each)}\n`).join(''));
  const path = join(folder, 'haproxy.cfg');
  writeFileSync(
    path,
    `global
  nbthread 1
  maxconn 9800
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 600s
  http-reuse always
listen relay
  bind 127.0.0.1:${port}
  http-request set-header Proxy-Authorization "%[rand(${UPSTREAM_CREDENTIALS.length}),map_int(${map})]"
  server upstream 127.0.0.1:${upstreamPort}
`,
  );
  return { child: stage.start('haproxy', 0, [program, '-db', '-q', '-f', path]), port };
}
