/**
 * What a forward proxy in Node can do at best (`node head-relay.ts UPSTREAM_PORT`): the relay on
 * handles, and the least that makes a proxy of it. It finds the end of each request's head and puts
 * one of the sixteen upstream credentials, in turn, where the client's stood; a CONNECT it asks of the
 * upstream itself, and answers itself once the upstream has said 200. No password is checked, nothing is
 * recorded, requests have no bodies, and answers are passed on unread.
 */

import { basic, UPSTREAM_CREDENTIALS } from '../lib/credentials.ts';
import { relay, type Side } from './side.ts';

const LINES = UPSTREAM_CREDENTIALS.map((each) => `\r\nProxy-Authorization: ${basic(each)}`);
const CLIENTS_LINE = /\r\nproxy-authorization:[^\r]*/i;
const HEAD_END = '\r\n\r\n';
const CONNECTED = `HTTP/1.1 200 Connection established${HEAD_END}`;
const MAX_HEAD_BYTES = 65_536;
let turn = 0;

function nextLine(): string {
  turn = (turn + 1) % LINES.length;
  return LINES[turn]!;
}

relay(Number(process.argv[2]), (client) => {
  let held = '';
  client.onOctets = (octets) => {
    held += octets.toString('latin1');
    let heads = '';
    for (let end = held.indexOf(HEAD_END); end !== -1; end = held.indexOf(HEAD_END)) {
      const head = held.slice(0, end + HEAD_END.length);
      held = held.slice(head.length);
      if (head.startsWith('CONNECT ')) return openTunnel(client, head.split(' ', 2)[1]!);
      heads += head.replace(CLIENTS_LINE, nextLine());
    }
    if (heads !== '') client.peer.write(heads);
    if (held.length > MAX_HEAD_BYTES) client.close();
  };
});

/** For a client that says nothing before its 200, as those of the bench. */
function openTunnel(client: Side, target: string): void {
  const upstream = client.peer;
  let held = '';
  client.onOctets = () => client.close();
  upstream.onOctets = (octets) => {
    held += octets.toString('latin1');
    const end = held.indexOf(HEAD_END);
    if (end === -1 && held.length <= MAX_HEAD_BYTES) return;
    if (end === -1 || !held.startsWith(' 200', 8)) return client.close();
    client.onOctets = (octets) => client.pass(octets);
    upstream.onOctets = (octets) => upstream.pass(octets);
    client.write(CONNECTED + held.slice(end + HEAD_END.length));
  };
  upstream.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}${nextLine()}${HEAD_END}`);
}
