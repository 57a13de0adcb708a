import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { expect, it } from 'vitest';
import { leaksSince, openHandles } from '../helpers/leak-guard.ts';

it('sees a forgotten server, its sockets and a timer, and nothing once they are closed', async () => {
  const before = openHandles();
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as { port: number }).port, '127.0.0.1');
  const [accepted] = await once(server, 'connection');
  // Several: a timer of the runner's own may end in between.
  const timers = Array.from({ length: 5 }, () => setTimeout(() => undefined, 60_000));
  const [listeners, sockets, timeouts] = leaksSince(before).sort();
  for (const timer of timers) clearTimeout(timer);
  expect([listeners, sockets]).toEqual(['TCPServerWrap +1', 'TCPSocketWrap +2']);
  expect(timeouts).toMatch(/^Timeout \+[1-5]$/);

  const closed = [once(client, 'close'), once(accepted, 'close'), once(server, 'close')];
  client.destroy();
  accepted.destroy();
  server.close();
  await Promise.all(closed);
  await new Promise((resolve) => setImmediate(resolve));
  expect(leaksSince(before)).toEqual([]);
});
