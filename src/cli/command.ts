/** A command of the program: its flags, its example, and what becomes of its failure. */
import { type Command, Help } from 'commander';
import { failureOf } from './failure.ts';
import { FieldOption } from './flags.ts';
import type { CommandHost } from './host.ts';
import { Operator, type ServerFlags } from './operator.ts';
import { Output } from './output.ts';

/** What a command's work is given. */
export interface Call {
  readonly operator: Operator;
  readonly out: Output;
  readonly command: Command;
  /** The arguments, in order; undefined for one that was left out. */
  readonly args: readonly (string | undefined)[];
}

export interface CommandText {
  readonly help: string;
  /** What stands behind `sallyport` in its example. */
  readonly example: string;
}

/** The heading of the flags that every command has. */
const SERVER = 'Server:';

/** Adds a noun, whose verbs are its commands. */
export function addNoun(program: Command, name: string, help: string): Command {
  return program.command(name).description(help).helpCommand(false);
}

/** Adds a command that talks to a server. */
export function addCommand(
  parent: Command,
  nameAndArguments: string,
  { help, example }: CommandText,
  host: CommandHost,
  work: (call: Call) => Promise<void>,
): Command {
  const command = parent.command(nameAndArguments).description(help);
  command.configureHelp({ groupItems: serverLast });
  command.addHelpText('after', `\nExample:\n  sallyport ${example}`);
  command.action(async () => {
    const flags = command.opts<ServerFlags & { json?: boolean }>();
    const operator = new Operator(flags, host);
    try {
      await work({ operator, out: new Output(host, flags.json === true), command, args: command.processedArgs });
    } catch (error) {
      throw failureOf(error, operator.url, flagsOf(command));
    }
  });
  return addServerFlags(command);
}

/** A command's own flags stand before those that all have. */
const serverLast: Help['groupItems'] = (all, visible, groupOf) => {
  const groups = new Help().groupItems(all, visible, groupOf);
  const server = groups.get(SERVER);
  if (server !== undefined && groups.delete(SERVER)) groups.set(SERVER, server);
  return groups;
};

/** The flags of a command by the field that each fills, else by their own names. */
function flagsOf(command: Command): ReadonlyMap<string, string> {
  const flags = command.options.filter(({ negate }) => !negate);
  return new Map(flags.map((flag) => [flag instanceof FieldOption ? flag.field : flag.attributeName(), flag.long!]));
}

function addServerFlags(command: Command): Command {
  return command
    .optionsGroup(SERVER)
    .option('--json', 'answer in JSON, for scripts')
    .option('--workspace <name|id>', 'the workspace, where the key sees several')
    .option('--url <url>', 'the server, in place of SALLYPORT_URL')
    .option('--data-dir <dir>', 'the data directory whose bootstrap.json has server and key')
    .optionsGroup('Options:');
}
