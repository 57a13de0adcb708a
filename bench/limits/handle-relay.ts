/**
 * What a relay in Node can do at best (`node handle-relay.ts UPSTREAM_PORT`): octets both ways,
 * half-closes, backpressure, one upstream connection for each client's, and nothing read. The
 * pipe's work without what a socket of Node does for it.
 */

import { relay } from './side.ts';

relay(Number(process.argv[2]));
