/*
 * The image's health check: exit code 0 when /livez answers 200 within 2 s.
 * Reads the control address as the server does; an address for all interfaces
 * is asked on loopback. Plain JavaScript, as the image has no sources.
 */
import { get } from 'node:http';
import process from 'node:process';

const listen = process.env.SALLYPORT_CONTROL_LISTEN || '127.0.0.1:7070';
const url = new URL(`http://${listen}/livez`);
if (url.hostname === '0.0.0.0') url.hostname = '127.0.0.1';
if (url.hostname === '[::]') url.hostname = '[::1]';

const request = get(url, (reply) => {
  reply.resume();
  process.exitCode = reply.statusCode === 200 ? 0 : 1;
});
request.setTimeout(2_000, () => request.destroy(new Error('no answer')));
request.on('error', () => {
  process.exitCode = 1;
});
