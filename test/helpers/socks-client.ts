/** The octets that a SOCKS5 client sends, as latin1 text. */

const octets = (...codes: number[]): string => String.fromCharCode(...codes);
const counted = (text: string): string => octets(text.length) + text;

/** A greeting that offers these methods: 0 for none, 2 for username and password. */
export const greeting = (...methods: number[]): string => octets(5, methods.length, ...methods);

export const usernamePassword = (username: string, password: string): string =>
  octets(1) + counted(username) + counted(password);

/** A request to a name, or to the 4 or 16 octets of an address. */
export function request(host: string | readonly number[], port: number, command = 1): string {
  const portOctets = octets(port >> 8, port & 0xff);
  if (typeof host === 'string') return octets(5, command, 0, 3) + counted(host) + portOctets;
  return octets(5, command, 0, host.length === 4 ? 1 : 4, ...host) + portOctets;
}

/** What the gateway answers to each. */
export const METHOD = { none: '\x05\x00', password: '\x05\x02', unacceptable: '\x05\xff' };
export const ACCEPTED = '\x01\x00';
export const REJECTED = '\x01\x01';
export const reply = (code: number): string => `${octets(5, code)}\x00\x01\x00\x00\x00\x00\x00\x00`;
export const GRANTED = reply(0);
