/**
 * Squid with its cache off: one cache_peer per upstream credential, round robin.
 * Clients are not asked for a password (its helpers would run beside it), so it
 * does less than Sallyport: the notes of the table say so.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UPSTREAM_CREDENTIALS } from '../credentials.ts';
import { type Child, freePort, type Stage } from '../stage.ts';

export async function startSquid(
  program: string,
  stage: Stage,
  upstreamPort: number,
): Promise<{ child: Child; port: number }> {
  const port = await freePort();
  const folder = stage.folder('squid');
  const lines = [
    `http_port 127.0.0.1:${port}`,
    ...UPSTREAM_CREDENTIALS.map(
      ({ username, password }) =>
        `cache_peer 127.0.0.1 parent ${upstreamPort} 0 no-query no-digest no-netdb-exchange round-robin name=${username} login=${username}:${password}`,
    ),
    'never_direct allow all',
    'http_access allow localhost',
    'http_access deny all',
    'cache deny all',
    'cache_mem 0',
    'memory_cache_shared off',
    'access_log none',
    'cache_log /dev/null',
    'cache_store_log none',
    'netdb_filename none',
    'pid_filename none',
    `coredump_dir ${folder}`,
    'pinger_enable off',
    'shutdown_lifetime 0 seconds',
    'via off',
    'forwarded_for delete',
    // Squid refuses to serve as root.
    ...(process.getuid?.() === 0 ? ['cache_effective_user nobody'] : []),
  ];
  const path = join(folder, 'squid.conf');
  writeFileSync(path, `${lines.join('\n')}\n`);
  // The service name keys its shared memory: two Squids of one name cannot live on one machine.
  const service = `bench${process.pid}x${port}`;
  return { child: stage.start('squid', 0, [program, '-N', '-n', service, '-f', path]), port };
}
