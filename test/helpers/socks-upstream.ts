/**
 * How a recording upstream speaks SOCKS4, SOCKS4a and SOCKS5, answering each message
 * of a handshake as a test says. It parses what it is sent by itself, octet by octet, and
 * shares no code with the gateway.
 */
import type { Socket } from 'node:net';
import type { Behaviour, Recorded } from './wire.ts';

/** The messages of a handshake, in order: SOCKS4 has the request alone. */
export type SocksMessage = 'greeting' | 'credentials' | 'request';

export interface SocksScript {
  /** What is sent for a message, in hexadecimal with blanks; what is left out is consent. */
  readonly answers?: Partial<Record<SocksMessage, string>>;
  /** Sends an answer in place of writing it at once. */
  readonly write?: (socket: Socket, octets: Buffer, message: SocksMessage) => void;
  /** Gets what comes through the tunnel, all that has come and what is new of it; an echo where it is left out. */
  readonly tunnel?: (socket: Socket, text: string, fresh: string) => void;
}

interface Progress {
  /** Octets of `text` that were read. */
  at: number;
  stage: SocksMessage | 'tunnel';
}

/** In hexadecimal with blanks, as octets. */
export const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

export const SOCKS5_CONSENT = '05 00 00 01 7f000001 0050';
export const SOCKS4_CONSENT = '00 5a 0000 00000000';

/** A behaviour that follows the script on each connection. */
export function speakSocks(script: SocksScript = {}): Behaviour {
  const connections = new WeakMap<Recorded, Progress>();
  return (recorded, chunk) => {
    let progress = connections.get(recorded);
    if (progress === undefined) {
      progress = { at: 0, stage: recorded.text.startsWith('\x05') ? 'greeting' : 'request' };
      connections.set(recorded, progress);
    }
    const { socket, text } = recorded;
    const isFirst = progress.stage !== 'tunnel';
    while (progress.stage !== 'tunnel') {
      const octets = Buffer.from(text.slice(progress.at), 'latin1');
      const size = sizeOf(progress.stage, octets);
      if (size === null || octets.length < size) return;
      progress.at += size;
      const message = progress.stage;
      const consent = consentTo(message, octets);
      progress.stage =
        message === 'greeting' && consent === '05 02' ? 'credentials' : message === 'request' ? 'tunnel' : 'request';
      const answer = hex(script.answers?.[message] ?? consent);
      if (script.write) script.write(socket, answer, message);
      else if (answer.length > 0) socket.write(answer);
    }
    const through = text.slice(progress.at);
    const fresh = isFirst ? through : chunk.toString('latin1');
    if (fresh === '') return;
    if (script.tunnel) script.tunnel(socket, through, fresh);
    else socket.write(Buffer.from(fresh, 'latin1'));
  };
}

/** Whole size of the message that stands at the start of the octets; null while that cannot be told. */
function sizeOf(message: SocksMessage, octets: Buffer): number | null {
  const at = (i: number): number => octets[i] ?? Number.NaN;
  if (message === 'greeting') return known(2 + at(1));
  if (message === 'credentials') return known(3 + at(1) + at(2 + at(1)));
  if (octets[0] === 5) return known(octets[3] === 1 ? 10 : octets[3] === 4 ? 22 : 7 + at(4));
  const userEnd = octets.indexOf(0, 8);
  if (octets.length < 9 || userEnd === -1) return null;
  const named = octets.readUInt32BE(4) === 1;
  const nameEnd = named ? octets.indexOf(0, userEnd + 1) : userEnd;
  return nameEnd === -1 ? null : nameEnd + 1;
}

function known(size: number): number | null {
  return Number.isNaN(size) ? null : size;
}

function consentTo(message: SocksMessage, octets: Buffer): string {
  if (message === 'greeting') return octets.includes(2, 2) ? '05 02' : '05 00';
  if (message === 'credentials') return '01 00';
  return octets[0] === 5 ? SOCKS5_CONSENT : SOCKS4_CONSENT;
}
