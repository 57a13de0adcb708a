/** `sallyport completion SHELL`: a script by which a shell completes commands and flags, made of the very commands. */
import { Argument, type Command } from 'commander';
import type { CommandHost } from './host.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

/** What may follow a path of commands: the words behind it, and its flags. */
interface Place {
  /** Words behind `sallyport`; empty at the root. */
  readonly path: string;
  readonly words: readonly string[];
}

export function addCompletionCommand(program: Command, host: CommandHost): void {
  program
    .command('completion')
    .description('print a completion script for a shell')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .addHelpText('after', '\nExample:\n  source <(sallyport completion bash)')
    .action((shell: Shell) => host.print(SCRIPTS[shell](placesOf(program, ''))));
}

function placesOf(command: Command, path: string): Place[] {
  const names = command.commands.map((each) => each.name());
  const flags = command.options.filter(({ hidden }) => !hidden).map(({ long }) => long!);
  const here = { path, words: [...names, ...flags, '--help'] };
  return [here, ...command.commands.flatMap((each) => placesOf(each, `${path} ${each.name()}`.trim()))];
}

const SCRIPTS: Readonly<Record<Shell, (places: readonly Place[]) => string>> = {
  bash: (places) => `_sallyport() {
  local path="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word == -* ]] || path="\${path:+$path }$word"
  done
  local words
  case "$path" in
${places.map(({ path, words }) => `    "${path}") words="${words.join(' ')}" ;;`).join('\n')}
    *) return ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _sallyport sallyport`,
  zsh: (places) => `#compdef sallyport
_sallyport() {
  local path="" word
  for word in "\${(@)words[2,CURRENT-1]}"; do
    [[ $word == -* ]] || path="\${path:+$path }$word"
  done
  case "$path" in
${places.map(({ path, words }) => `    "${path}") compadd -- ${words.join(' ')} ;;`).join('\n')}
    *) _files ;;
  esac
}
compdef _sallyport sallyport`,
  fish: (places) => `complete -c sallyport -f
function __sallyport_at
  set -l path
  for word in (commandline -opc)[2..]
    string match -q -- '-*' $word; or set -a path $word
  end
  test "$path" = "$argv"
end
${places.map(({ path, words }) => `complete -c sallyport -n '__sallyport_at ${path}' -a '${words.join(' ')}'`).join('\n')}`,
};
