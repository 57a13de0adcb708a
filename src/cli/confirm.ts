/** What cannot be undone is asked about, where somebody can answer; a script says `--yes`. */
import type { Command } from 'commander';
import { CommandFailure, EXIT, usageFailure } from './failure.ts';
import type { CommandHost } from './host.ts';

/** Adds the flag that answers the question. */
export function addYes(command: Command): Command {
  return command.option('-y, --yes', 'do not ask');
}

/** Resolves when it is to be done; throws a CommandFailure when it is not. */
export async function confirm(command: Command, host: CommandHost, question: string): Promise<void> {
  if (command.getOptionValue('yes') === true) return;
  if (host.ask === null) throw usageFailure(`${question}\nNobody can be asked here: --yes does it.`);
  const answer = await host.ask(`${question} [y/N] `).catch((error: Error) => {
    if (error.name !== 'AbortError') throw error;
    throw new CommandFailure(EXIT.interrupted, 'nothing was changed');
  });
  if (!/^y(?:es)?$/i.test(answer.trim())) throw new CommandFailure(EXIT.refused, 'nothing was changed');
}
