/**
 * One contract for both kinds of wire, accepted and dialled: what its peer sees, and what its
 * receiver and its holder are told. The peers are plain sockets of Node.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Receiver, Wire, WireHolder } from '../../../../gateway/wire/wire.ts';
import { Wires } from '../../../../gateway/wire/wires.ts';
import { eventually } from '../../../helpers/wire.ts';

/** More than the kernel takes of a write whose reader stands still. */
const MANY = 20_000_000;

/** Writes down what a wire tells, and keeps what comes in. */
class Witness implements Receiver, WireHolder {
  readonly wire: Wire;
  readonly events: string[] = [];
  readonly pieces: Buffer[] = [];
  #inCall = false;

  constructor(wire: Wire) {
    this.wire = wire;
    wire.receiver = this;
    wire.start(this);
  }

  get text(): string {
    return Buffer.concat(this.pieces).toString('latin1');
  }

  onOctets(octets: Buffer): void {
    this.pieces.push(this.wire.keep(octets));
  }

  onEnd(): void {
    this.events.push('end');
  }

  onDrain(): void {
    this.events.push('drain');
  }

  onWireOpen(): void {
    this.events.push('open');
  }

  onWireClosed(): void {
    this.events.push(this.#inCall ? 'closed within a call' : 'closed');
  }

  /** Calls the wire; whether it is gone is told behind the call. */
  call(what: (wire: Wire) => void): void {
    this.#inCall = true;
    what(this.wire);
    this.#inCall = false;
  }

  until(event: string): Promise<unknown> {
    return eventually(event, () => this.events.includes(event));
  }
}

let servers: Server[];
let peers: Socket[];
let witnesses: Witness[];

beforeEach(() => {
  servers = [];
  peers = [];
  witnesses = [];
});
afterEach(async () => {
  for (const { wire } of witnesses) wire.destroy();
  for (const peer of peers) peer.destroy();
  for (const server of servers) server.close();
});

function witness(wire: Wire): Witness {
  const made = new Witness(wire);
  witnesses.push(made);
  return made;
}

/** A peer that reads nothing until it is asked to. */
function keptPeer(socket: Socket): Socket {
  peers.push(socket.pause());
  socket.on('error', () => undefined);
  return socket;
}

async function listening(): Promise<{ server: Server; port: number }> {
  const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true });
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

type Pair = { ours: Witness; theirs: Socket };

async function accepted(wires: Wires): Promise<Pair> {
  const { server, port } = await listening();
  const taken = new Promise<Wire>((resolve) => wires.accept(server, true, resolve));
  const theirs = keptPeer(connect({ port, host: '127.0.0.1', allowHalfOpen: true }));
  return { ours: witness(await taken), theirs };
}

async function dialled(wires: Wires): Promise<Pair> {
  const { server, port } = await listening();
  const came = once(server, 'connection') as Promise<[Socket]>;
  const ours = witness(wires.dial('127.0.0.1', port, false));
  const theirs = keptPeer((await came)[0]);
  await ours.until('open');
  ours.events.length = 0;
  return { ours, theirs };
}

/** All that a peer reads up to the end. */
async function heard(peer: Socket): Promise<Buffer> {
  const pieces: Buffer[] = [];
  peer.on('data', (piece: Buffer) => pieces.push(piece)).resume();
  await once(peer, 'end');
  return Buffer.concat(pieces);
}

/** The code of the error that a peer meets; rejects when its connection ends without one. */
function failureOf(peer: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    peer.once('error', ({ code = '' }: NodeJS.ErrnoException) => resolve(code));
    peer.once('close', () => reject(new Error('an end like any other')));
    peer.resume();
  });
}

describe.each([
  ['on handles', true],
  ['over sockets of Node', false],
] as const)('wires %s', (_, onHandles) => {
  describe.each([
    ['accepted', accepted],
    ['dialled', dialled],
  ] as const)('%s', (__, pairOf) => {
    let ours: Witness;
    let theirs: Socket;
    beforeEach(async () => {
      ({ ours, theirs } = await pairOf(new Wires(onHandles)));
    });

    test('what is written comes out in the order in which it was written, whatever it is', async () => {
      const octets = Buffer.alloc(200_000, 'o');
      const { wire } = ours;
      wire.write('a');
      wire.writeLent(Buffer.from('b'));
      wire.writeOctets(Buffer.from('c'));
      wire.write('d'.repeat(20_000));
      wire.join('e', Buffer.from('f'));
      wire.writeLent(Buffer.alloc(5_000, 'g'));
      wire.write('h');
      wire.writeOctets(octets);
      wire.join('i', Buffer.alloc(2_000, 'j'));
      wire.write('k');
      wire.end();
      const text = (await heard(theirs)).toString('latin1');
      const expected = `abc${'d'.repeat(20_000)}ef${'g'.repeat(5_000)}h${octets}i${'j'.repeat(2_000)}k`;
      expect(text === expected).toBe(true);
      expect(wire.bytesWritten).toBe(expected.length);
    });

    test('what is written leaves without another call', async () => {
      const came = once(theirs.resume(), 'data');
      ours.wire.write('on its own');
      expect(String((await came)[0])).toBe('on its own');
    });

    test('what comes in is told, then the end; it is gone once both sides have finished', async () => {
      theirs.end('hello');
      await ours.until('end');
      expect(ours.text).toBe('hello');
      expect(ours.wire).toMatchObject({ ended: true, finished: false, destroyed: false, bytesRead: 5 });
      ours.wire.write('bye');
      ours.call((wire) => wire.end());
      expect(String(await heard(theirs))).toBe('bye');
      await ours.until('closed');
      expect(ours.events).toEqual(['end', 'closed']);
      expect(ours.wire).toMatchObject({ finished: true, failure: null, destroyed: true });
    });

    test('our end first leaves the other side open', async () => {
      ours.wire.end();
      expect(ours.wire.writable).toBe(false);
      expect(String(await heard(theirs))).toBe('');
      await eventually('it is finished', () => ours.wire.finished);
      theirs.write('still ');
      theirs.end('here');
      await ours.until('closed');
      expect(ours.text).toBe('still here');
      expect(ours.events).toEqual(['end', 'closed']);
    });

    test('with `endAndClose` it is gone when what was written has left', async () => {
      ours.call((wire) => {
        wire.write('the last');
        wire.endAndClose();
      });
      expect(String(await heard(theirs))).toBe('the last');
      await ours.until('closed');
      expect(ours.events).toEqual(['closed']);
    });

    test('a peer that takes no more is told by false, and that it does by a drain', async () => {
      expect(ours.wire.writeOctets(Buffer.alloc(MANY, 'x'))).toBe(false);
      expect(ours.wire.waits).toBe(true);
      expect(ours.wire.bytesWaiting).toBeGreaterThan(0);
      let length = 0;
      theirs.on('data', (piece: Buffer) => {
        length += piece.length;
      });
      theirs.resume();
      await ours.until('drain');
      expect(ours.wire.waits).toBe(false);
      ours.wire.end();
      await once(theirs, 'end');
      expect(length).toBe(MANY);
    });

    test('an end behind what waits comes behind it', async () => {
      ours.wire.writeOctets(Buffer.alloc(MANY, 'x'));
      ours.wire.write('last');
      ours.wire.end();
      const octets = await heard(theirs);
      expect(octets.length).toBe(MANY + 4);
      expect(octets.subarray(MANY).toString()).toBe('last');
    });

    test('while it is paused nothing comes in', async () => {
      ours.wire.pause();
      expect(ours.wire.isPaused).toBe(true);
      theirs.write('later');
      await new Promise((resolve) => theirs.write(' and more', resolve));
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      expect(ours.text).toBe('');
      ours.wire.resume();
      await eventually('it came', () => ours.text === 'later and more');
    });

    test('what it passes on to another comes out there, whatever its size', async () => {
      const other = await pairOf(new Wires(onHandles));
      ours.wire.receiver = {
        onOctets: (octets) => void ours.wire.pass(octets, other.ours.wire),
        onEnd: () => other.ours.wire.end(),
        onDrain: () => undefined,
      };
      const sent = Buffer.from(Uint32Array.from({ length: 400_000 }, (___, n) => n).buffer);
      theirs.write('small');
      theirs.end(sent);
      const octets = await heard(other.theirs);
      expect(octets.subarray(0, 5).toString()).toBe('small');
      expect(octets.subarray(5).equals(sent)).toBe(true);
    });

    test.each<[string, (wire: Wire) => void]>([
      ['that does nothing', () => undefined],
      ['that was ended in this very turn', (wire) => wire.end()],
      [
        'that was ended with octets to write',
        (wire) => {
          wire.write('x');
          wire.end();
        },
      ],
      [
        'whose octets nobody takes',
        (wire) => {
          wire.writeOctets(Buffer.alloc(MANY));
          wire.end();
        },
      ],
      ['that is reset twice', (wire) => wire.reset()],
    ])('one %s is reset, and gone', async (___, prepare) => {
      const seen = failureOf(theirs);
      ours.call((wire) => {
        prepare(wire);
        wire.reset();
      });
      await ours.until('closed');
      expect(ours.events.at(-1)).toBe('closed');
      // Behind an end nobody looks for a reset: whoever writes meets it.
      theirs.write('x');
      expect(await seen).toMatch(/^(?:ECONNRESET|EPIPE)$/);
    });

    test('what was written comes before the reset', async () => {
      const pieces: string[] = [];
      theirs.on('data', (piece: Buffer) => pieces.push(String(piece)));
      const seen = failureOf(theirs);
      ours.wire.write('first');
      await eventually('it came', () => pieces.join('') === 'first');
      ours.wire.reset();
      expect(await seen).toBe('ECONNRESET');
    });

    test('what was written before it is destroyed leaves', async () => {
      ours.call((wire) => {
        wire.write('said');
        wire.destroy();
        wire.destroy();
        wire.write('unsaid');
      });
      expect(String(await heard(theirs))).toBe('said');
      await ours.until('closed');
      expect(ours.events).toEqual(['closed']);
    });

    test('a peer that resets it is a failure', async () => {
      theirs.resetAndDestroy();
      await ours.until('closed');
      expect(ours.events).toEqual(['closed']);
      expect(ours.wire.failure).toBe('ECONNRESET');
    });

    test('a reset is seen on a paused one when it is looked at', async () => {
      ours.wire.pause();
      theirs.resetAndDestroy();
      await eventually('it is seen', () => {
        ours.wire.lookAtStalled();
        return ours.wire.destroyed;
      });
      await ours.until('closed');
      expect(ours.wire.failure).toMatch(/^(?:ECONNRESET|EPIPE)$/);
    });

    test('it knows its peer', () => {
      expect(ours.wire.peer).toMatchObject({ address: '127.0.0.1', port: theirs.localPort });
    });
  });

  test('where nobody listens a dial fails, once, and not within the call', async () => {
    const { server, port } = await listening();
    server.close();
    await once(server, 'close');
    const ours = witness(new Wires(onHandles).dial('127.0.0.1', port, false));
    await ours.until('closed');
    expect(ours.events).toEqual(['closed']);
    expect(ours.wire.failure).toBe('ECONNREFUSED');
  });

  test('what is no address fails as a dial, and does not throw', async () => {
    const ours = witness(new Wires(onHandles).dial('::ffff:not:an:address', 1, false));
    await ours.until('closed');
    expect(ours.events).toEqual(['closed']);
    expect(ours.wire.failure).not.toBe(null);
  });

  test('a dial that is given up is told closed, and nothing else', async () => {
    const { server, port } = await listening();
    server.on('connection', keptPeer);
    const ours = witness(new Wires(onHandles).dial('127.0.0.1', port, false));
    ours.call((wire) => wire.destroy());
    await ours.until('closed');
    expect(ours.events).toEqual(['closed']);
  });

  test('hundreds that speak in one turn are all heard', async () => {
    const wires = new Wires(onHandles);
    const pairs = await Promise.all(Array.from({ length: 200 }, () => accepted(wires)));
    const all = pairs.map(({ theirs }) => heard(theirs));
    pairs.forEach(({ ours }, n) => {
      ours.wire.write(`I am ${n}`);
      ours.wire.write('.');
    });
    for (const { ours } of pairs) ours.wire.end();
    expect((await Promise.all(all)).map(String)).toEqual(pairs.map((__, n) => `I am ${n}.`));
  });
});
