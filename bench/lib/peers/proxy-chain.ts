/**
 * proxy-chain as its users run it (`node proxy-chain.ts UPSTREAM_PORT`): checks
 * the client's password, rotates over the sixteen upstream credentials, and has a
 * keep-alive agent for plain requests (none for CONNECT, where it is pure loss).
 * Prints `{"port"}`.
 */

import { Agent } from 'node:http';
import { Server } from 'proxy-chain';
import { CLIENT_CREDENTIAL, UPSTREAM_CREDENTIALS } from '../credentials.ts';

const upstreams = UPSTREAM_CREDENTIALS.map(
  ({ username, password }) => `http://${username}:${password}@127.0.0.1:${process.argv[2]}`,
);
const httpAgent = new Agent({ keepAlive: true, maxSockets: 1_024, maxFreeSockets: 1_024 });
let next = 0;

const server = new Server({
  port: 0,
  host: '127.0.0.1',
  prepareRequestFunction: ({ username, password, isHttp }) => {
    const known = username === CLIENT_CREDENTIAL.username && password === CLIENT_CREDENTIAL.password;
    if (!known) return { requestAuthentication: true };
    next = (next + 1) % upstreams.length;
    const upstreamProxyUrl = upstreams[next]!;
    return isHttp ? { upstreamProxyUrl, httpAgent } : { upstreamProxyUrl };
  },
});
await server.listen();
console.log(JSON.stringify({ port: server.port }));
process.stdin.resume().on('end', () => process.exit(0));
