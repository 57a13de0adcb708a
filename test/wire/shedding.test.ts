/** An event loop that comes too late, turn after turn (E29): new requests are refused, old ones go on, and it passes. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import {
  answerOk,
  echoTunnel,
  eventually,
  RawClient,
  type RecordingUpstream,
  startRecordingUpstream,
} from '../helpers/wire.ts';
import { type RecordedLog, recordedLog } from '../helpers/wire-log.ts';

const BUSY_MS = 400;

let log: RecordedLog;
let rig: GatewayRig;
let upstream: RecordingUpstream;
beforeEach(async () => {
  log = recordedLog();
  rig = await startGatewayRig({ limits: { shedDelayMs: 100 }, log });
  upstream = await startRecordingUpstream(echoTunnel);
  rig.put(1, upstream.port);
});
afterEach(async () => {
  await rig.close();
  await upstream.close();
});

const levels = (): unknown[] => log.lines.filter(({ message }) => message === 'load').map(({ fields }) => fields.load);

/** Keeps the event loop for a while, as some work of ours might; then lets it turn. */
async function busyTurn(): Promise<void> {
  const until = performance.now() + BUSY_MS;
  while (performance.now() < until);
  await new Promise((resolve) => setTimeout(resolve, 0));
}

test('while every turn comes late, requests are refused before any work, and within five seconds all is well', async () => {
  const tunnel = await RawClient.connect(rig.port);
  await tunnel.send(rig.head('CONNECT a.test:443')).until(({ text }) => text.endsWith('\r\n\r\n'));
  const kept = await RawClient.connect(rig.port);
  upstream.behave(answerOk);
  await kept.send(rig.head('GET http://a.test/')).until(({ text }) => text.endsWith('ok'));
  upstream.behave(echoTunnel);

  for (let i = 0; i < 12 && levels().length === 0; i++) await busyTurn();
  expect(levels()).toEqual(['shedding']);
  const requests = upstream.connections.length;
  const line = /^HTTP\/1\.1 503 overloaded\r\n[\s\S]*\r\nRetry-After: 1\r\n[\s\S]*\r\nConnection: close\r\n/;
  // Whoever is connected asks, without credentials even: nothing is looked at. Whoever comes is not let in.
  kept.text = '';
  await kept.send('GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n').untilEnd();
  expect(kept.text).toMatch(line);
  const late = await RawClient.connect(rig.port);
  expect(await late.untilEnd()).toMatch(line);
  expect(rig.counted('auth_required')).toBe(0);
  expect(upstream.connections).toHaveLength(requests);
  tunnel.text = '';
  await tunnel.send('under way').until(({ text }) => text === 'under way');

  await eventually('it is normal again', () => levels().length === 2, 5_000);
  expect(levels()).toEqual(['shedding', 'normal']);
  upstream.behave(answerOk);
  const after = await RawClient.connect(rig.port);
  await after.send(rig.head('GET http://a.test/')).until(({ text }) => text.endsWith('ok'));
  expect(after.text).not.toContain('\r\nConnection: close\r\n');
  for (const client of [tunnel, kept, late, after]) client.close();
});
