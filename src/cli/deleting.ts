/** `delete`, which each noun has: what is meant is found, asked about, and gone. */
import type { Command } from 'commander';
import { addCommand, type Call } from './command.ts';
import { addYes, confirm } from './confirm.ts';
import type { CommandHost } from './host.ts';

export interface Deleting<Found> {
  /** Its argument, such as `<pool>`. */
  readonly argument: string;
  /** An argument for its example. */
  readonly example: string;
  readonly help: string;
  readonly find: (call: Call) => Promise<Found>;
  readonly question: (found: Found) => string;
  readonly remove: (call: Call, found: Found) => Promise<unknown>;
  /** What is told then. */
  readonly gone: (found: Found) => string;
}

/** Adds the command; answers it, for flags of its own. */
export function addDelete<Found>(
  noun: Command,
  host: CommandHost,
  { argument, example, help, find, question, remove, gone }: Deleting<Found>,
): Command {
  const text = { help, example: `${noun.name()} delete ${example} --yes` };
  const command = addCommand(noun, `delete ${argument}`, text, host, async (call) => {
    const found = await find(call);
    await confirm(call.command, host, question(found));
    await remove(call, found);
    call.out.say(gone(found));
    call.out.tell({});
  });
  return addYes(command);
}
