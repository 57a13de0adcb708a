/**
 * A DNS server on loopback that answers A and AAAA as a test says, over UDP and,
 * for answers that it cuts short there, over TCP (RFC 1035). Knows just enough of
 * the protocol for that.
 */
import { createSocket } from 'node:dgram';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { parseAddress } from '../../src/core/address.ts';

export interface DnsQuestion {
  /** Lower case, without a trailing dot. */
  readonly name: string;
  readonly type: 'A' | 'AAAA';
  /** How often this was asked before. */
  readonly nth: number;
}

/** What to answer: addresses (those of the question's family are used), with a time to live in seconds; or how not to. */
export type DnsReply =
  | {
      readonly addresses: readonly string[];
      readonly ttl?: number;
      /** The name that the question's is an alias of. */
      readonly cname?: string;
      /** Over UDP only the truncation bit is answered. */
      readonly truncated?: boolean;
    }
  | 'silent'
  | 'nxdomain'
  | 'servfail';

export type DnsScript = (question: DnsQuestion) => DnsReply | Promise<DnsReply>;

export interface DnsServer {
  /** As in the setting `dnsServers`. */
  readonly address: string;
  /** Every question so far. */
  readonly asked: DnsQuestion[];
  /** Answers in another way from now on. */
  behave(script: DnsScript): void;
  close(): Promise<void>;
}

const TYPES = new Map<number, DnsQuestion['type']>([
  [1, 'A'],
  [28, 'AAAA'],
]);
const NXDOMAIN = 3;
const SERVFAIL = 2;

export async function startDnsServer(script: DnsScript): Promise<DnsServer> {
  let current = script;
  const asked: DnsQuestion[] = [];
  const times = new Map<string, number>();
  const sockets = new Set<Socket>();
  const answer = async (query: Buffer, udp: boolean): Promise<Buffer | null> => {
    const { name, type, end } = questionIn(query);
    const nth = times.get(`${name} ${type}`) ?? 0;
    times.set(`${name} ${type}`, nth + 1);
    const question = { name, type, nth };
    asked.push(question);
    const reply = await current(question);
    return reply === 'silent' ? null : replyTo(query.subarray(0, end), type, reply, udp);
  };
  const udp = createSocket('udp4');
  udp.on('message', (query, from) => {
    void answer(query, true).then((reply) => {
      // A reply that was held may come when the test is over.
      if (reply !== null && open) udp.send(reply, from.port, from.address);
    });
  });
  const tcp = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    let pending = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
        const size = 2 + pending.readUInt16BE(0);
        const query = pending.subarray(2, size);
        pending = pending.subarray(size);
        void answer(query, false).then((reply) => {
          if (reply !== null) socket.write(Buffer.concat([uint16(reply.length), reply]));
        });
      }
    });
  });
  let open = true;
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
  const { port } = tcp.address() as AddressInfo;
  await new Promise<void>((resolve, reject) => {
    udp.once('error', reject);
    udp.bind(port, '127.0.0.1', () => resolve());
  });
  return {
    address: `127.0.0.1:${port}`,
    asked,
    behave(next) {
      current = next;
    },
    close: () =>
      new Promise((resolve) => {
        open = false;
        udp.close();
        for (const socket of sockets) socket.destroy();
        tcp.close(() => resolve());
      }),
  };
}

/** RFC 1035 section 4.1.2; `end` is behind the question, and what is behind that is not looked at. */
function questionIn(query: Buffer): { name: string; type: DnsQuestion['type']; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at]!; length > 0; length = query[at]!) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const type = TYPES.get(query.readUInt16BE(at + 1));
  if (type === undefined) throw new Error('a question for another type than A and AAAA');
  return { name: labels.join('.').toLowerCase(), type, end: at + 5 };
}

function replyTo(
  question: Buffer,
  type: DnsQuestion['type'],
  reply: Exclude<DnsReply, 'silent'>,
  udp: boolean,
): Buffer {
  const head = Buffer.from(question);
  const code = reply === 'nxdomain' ? NXDOMAIN : reply === 'servfail' ? SERVFAIL : 0;
  const isCut = typeof reply === 'object' && reply.truncated === true && udp;
  const records = typeof reply === 'object' && !isCut ? recordsOf(type, reply) : [];
  // A response, recursion desired and available.
  head.writeUInt16BE(0x8180 | (isCut ? 0x0200 : 0) | code, 2);
  head.writeUInt16BE(records.length, 6);
  head.writeUInt32BE(0, 8);
  return Buffer.concat([head, ...records]);
}

function recordsOf(type: DnsQuestion['type'], reply: Exclude<DnsReply, string>): Buffer[] {
  const { addresses, ttl = 60, cname } = reply;
  const size = type === 'A' ? 4 : 16;
  const wanted = addresses.filter((address) => (type === 'AAAA') === address.includes(':'));
  // The question's name by a pointer to it, or the alias's in full.
  const asked = Buffer.from([0xc0, 12]);
  const owner = cname === undefined ? asked : nameOctets(cname);
  const alias = cname === undefined ? [] : [record(asked, 5, ttl, nameOctets(cname))];
  return [...alias, ...wanted.map((one) => record(owner, type === 'A' ? 1 : 28, ttl, octetsOf(one, size)))];
}

function record(owner: Buffer, type: number, ttl: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(ttl, 4);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([owner, fixed, data]);
}

/** A mapped address keeps its sixteen octets. */
function octetsOf(address: string, size: number): Buffer {
  const bytes = parseAddress(address)!;
  return Buffer.from(bytes.length === size ? bytes : [...Array<number>(10).fill(0), 0xff, 0xff, ...bytes]);
}

function nameOctets(name: string): Buffer {
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  return Buffer.concat([...labels, Buffer.from([0])]);
}

function uint16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}
