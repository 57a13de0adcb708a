/**
 * tinyproxy: a thread per connection, closes after every plain request, injects
 * one credential (it cannot rotate), checks the client's password.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CLIENT_CREDENTIAL, UPSTREAM_CREDENTIALS } from '../credentials.ts';
import { type Child, freePort, type Stage } from '../stage.ts';

export async function startTinyproxy(
  program: string,
  stage: Stage,
  upstreamPort: number,
): Promise<{ child: Child; port: number }> {
  const port = await freePort();
  const folder = stage.folder('tinyproxy');
  const [{ username, password }] = UPSTREAM_CREDENTIALS as [(typeof UPSTREAM_CREDENTIALS)[0]];
  const path = join(folder, 'tinyproxy.conf');
  writeFileSync(
    path,
    `Port ${port}
Listen 127.0.0.1
Timeout 60
MaxClients 9800
LogLevel Critical
LogFile "${join(folder, 'log')}"
DisableViaHeader Yes
BasicAuth ${CLIENT_CREDENTIAL.username} ${CLIENT_CREDENTIAL.password}
Upstream http ${username}:${password}@127.0.0.1:${upstreamPort}
`,
  );
  return { child: stage.start('tinyproxy', 0, [program, '-d', '-c', path]), port };
}
