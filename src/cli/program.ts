/**
 * The commands that talk to a server, as one program: nouns with their verbs, help with
 * an example for each, completion. `main.ts` runs it for every word that is not one of its own.
 */
import { Command, CommanderError } from 'commander';
import { addAssignmentCommands } from './assignment.ts';
import { addAuditCommand } from './audit.ts';
import { addBackupCommand } from './backup.ts';
import { addCompletionCommand } from './completion.ts';
import { addDoctorCommand } from './doctor.ts';
import { addResolveCommand } from './explain.ts';
import { CommandFailure, EXIT } from './failure.ts';
import type { CommandHost } from './host.ts';
import { addKeyCommands } from './key.ts';
import { addPoolCommands } from './pool.ts';
import { addProviderCommands } from './provider.ts';
import { addSessionCommands } from './session.ts';
import { addEnvCommand } from './shell-env.ts';
import { addStatusCommand } from './status.ts';
import { addTailCommand } from './tail.ts';
import { addUsageCommand } from './usage.ts';
import { addWorkspaceCommands } from './workspace.ts';

/** Commands of the process itself, which `main.ts` runs: here for help and completion. */
const OWN = [
  ['serve', 'start the control plane and the gateway (the default)'],
  ['config', 'print the effective settings and where each came from'],
  ['restore <file>', 'put such a copy in the place of the database, with no server running'],
  ['version', 'print the version'],
] as const;

const WHERE = `
Commands that talk to a server find it and their key by SALLYPORT_URL and SALLYPORT_API_KEY,
or by what its first start left in the data directory.
Exit codes: 0 done, 1 refused, 2 wrong usage, 3 the server cannot be reached, 130 interrupted.
"sallyport help settings" lists the settings of serve, as flags, environment and file.`;

export function buildProgram(host: CommandHost): Command {
  const program = new Command('sallyport').description('A self-hosted forward-proxy gateway with a control plane.');
  program.helpCommand('help [command]', 'say more of a command');
  program.commandsGroup('The process:');
  for (const [name, help] of OWN) program.command(name).description(help).allowUnknownOption().allowExcessArguments();
  program.commandsGroup('What there is:');
  addPoolCommands(program, host);
  addSessionCommands(program, host);
  addProviderCommands(program, host);
  addAssignmentCommands(program, host);
  addKeyCommands(program, host);
  addWorkspaceCommands(program, host);
  program.commandsGroup('What goes on:');
  addStatusCommand(program, host);
  addDoctorCommand(program, host);
  addTailCommand(program, host);
  addUsageCommand(program, host);
  addAuditCommand(program, host);
  addResolveCommand(program, host);
  addEnvCommand(program, host);
  addBackupCommand(program, host);
  addCompletionCommand(program, host);
  program.addHelpText('after', WHERE);
  return program;
}

/** Runs a command; answers the exit code. */
export async function runProgram(argv: readonly string[], host: CommandHost): Promise<number> {
  const program = buildProgram(host);
  listenTo(program, host);
  try {
    await program.parseAsync(argv, { from: 'user' });
    return EXIT.done;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    if (!(error instanceof CommandFailure)) throw error;
    host.complain(error.message);
    return error.exitCode;
  }
}

/** Has a command and those below it print by the host, and throw in place of ending the process. */
function listenTo(command: Command, host: CommandHost): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => host.print(text.trimEnd()),
    // The help of a noun without its verb, which is no complaint.
    writeErr: (text) => host.print(text.trimEnd()),
    outputError: (text) =>
      host.complain(`${text.replace(/^error: /, '').trimEnd()}\n"${pathOf(command)} --help" says more`),
    ...(host.terminal !== null && { getOutHelpWidth: () => host.terminal!.columns }),
  });
  for (const each of command.commands) listenTo(each, host);
}

/** The words that a command is called by. */
function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}
