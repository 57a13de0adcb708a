/**
 * Idle tunnels: opened a few at a time and held while the bench reads the
 * gateway's memory; on release each must still carry a request, then is closed.
 */

import { ClientConnection, tunnelledRequest } from '../lib/client.ts';
import { SMALL_BODY } from '../lib/payload.ts';
import { openWindow } from '../lib/process-meter.ts';
import type { Measurement, Subject } from './job.ts';

const OPENING_AT_ONCE = 64;

export class HeldTunnels {
  private readonly subject: Subject;
  private open: ClientConnection[] = [];

  constructor(subject: Subject) {
    this.subject = subject;
  }

  async hold(count: number): Promise<Measurement> {
    const { port, authorizations } = this.subject;
    return this.each(count, async (turn) => {
      const client = new ClientConnection(port);
      client.socket.setTimeout(0);
      this.open.push(client);
      return (await client.openTunnel(authorizations[turn % authorizations.length]!)) === 200;
    });
  }

  async release(): Promise<Measurement> {
    const measured = await this.each(this.open.length, async (turn) => {
      const { status, body } = await this.open[turn]!.exchange(tunnelledRequest('/small'));
      return status === 200 && body.toString() === SMALL_BODY;
    });
    for (const client of this.open) client.destroy();
    this.open = [];
    return measured;
  }

  private async each(count: number, act: (turn: number) => Promise<boolean>): Promise<Measurement> {
    const close = openWindow(this.subject.pid, [this.subject.upstreamPid, process.pid]);
    let work = 0;
    let turn = 0;
    const lane = async () => {
      while (turn < count) if (await act(turn++).catch(() => false)) work++;
    };
    await Promise.all(Array.from({ length: OPENING_AT_ONCE }, lane));
    return { ...close(), work, failures: count - work };
  }
}
