/**
 * `sallyport …` as pages quote it: found in a text, cut into words as a shell would, and held against
 * the program's own table of commands and flags, without being run.
 */
import type { Command, Option } from 'commander';
import { buildProgram } from '../../src/cli/program.ts';
import { ALL_SETTINGS, flagName } from '../../src/settings.ts';

/** Where one begins: not where another program has the word for an argument, as `systemctl stop sallyport` has. */
const START = /(?:^|[(|;&])\s*(?:\w+=\S*\s+)*(?:npm run (?:-s )?)?sallyport (?=[-a-z])/g;
/** Where a quoted command line ends. */
const END = /^(?:\||\|\||&&|&|;|>|>>|<|2>&1|2>)$/;
/** Words of the process itself, which take the settings as flags. */
const TAKE_SETTINGS = ['serve', 'config', 'restore'];

/** The words behind `sallyport` of every command line that a text quotes. */
export function commandLinesIn(text: string): string[][] {
  const joined = text.replaceAll(/\\\n\s*/g, ' ');
  return joined.split('\n').flatMap((line) => {
    return [...line.matchAll(START)].map(({ 0: start, index }) => wordsOf(line.slice(index + start.length)));
  });
}

/** The words of a command line up to its end, without their quotes. */
function wordsOf(text: string): string[] {
  const words: string[] = [];
  for (const [word] of text.matchAll(/(?:"[^"]*"|'[^']*'|\$\([^)]*\)|[^\s"'|;&<>)]+)+|\|\|?|&&?|;|>>?|<|\)/g)) {
    if (END.test(word) || word === ')' || word.startsWith('#')) break;
    words.push(word.replaceAll(/["']/g, ''));
  }
  return words[0] === '--' ? words.slice(1) : words;
}

/** Why a command line is none of ours; null for a good one. `isWhole`: whether its arguments have to be there. */
export function faultOfCommand(words: readonly string[], isWhole: boolean): string | null {
  const [first = ''] = words;
  if (first === '--help' || first === '--version' || (first === 'help' && words[1] === 'settings')) return null;
  if (first.startsWith('--')) return faultOfSettings(words);
  if (TAKE_SETTINGS.includes(first)) return faultOfSettings(words.slice(first === 'restore' ? 2 : 1));
  let command: Command = buildProgram({} as never);
  let rest = words;
  while (command.commands.length > 0 && rest.length > 0) {
    const next: Command | undefined = command.commands.find((each) => each.name() === rest[0]);
    if (next === undefined) return `there is no command ${rest[0]}`;
    command = next;
    rest = rest.slice(1);
  }
  return faultOfArguments(command, rest, isWhole);
}

function faultOfArguments(command: Command, words: readonly string[], isWhole: boolean): string | null {
  let count = 0;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === '…') continue;
    if (!/^--?[a-z]/.test(word)) {
      count++;
      continue;
    }
    const [flag = ''] = word.split('=');
    const option = command.options.find(({ long, short }) => long === flag || short === flag);
    if (option === undefined && flag !== '--help' && flag !== '-h') return `it takes no ${flag}`;
    if (takesValue(option) && !word.includes('=')) i++;
    if (i >= words.length) return `${flag} wants a value`;
  }
  const { registeredArguments } = command;
  if (count > registeredArguments.length) return 'it has too many arguments';
  const least = isWhole ? registeredArguments.filter(({ required }) => required).length : 0;
  return count < least ? 'an argument is missing' : null;
}

function takesValue(option: Option | undefined): boolean {
  return option !== undefined && (option.required || option.optional);
}

/** Settings as flags, of which some are switches. */
function faultOfSettings(words: readonly string[]): string | null {
  const flags = words.filter((word) => word.startsWith('--')).map((word) => word.split('=')[0]!);
  const known = [...ALL_SETTINGS].filter(([, { secret }]) => secret !== true).map(([name]) => `--${flagName(name)}`);
  const unknown = flags.find((flag) => ![...known, '--config', '--help'].includes(flag.replace(/^--no-/, '--')));
  return unknown === undefined ? null : `there is no setting ${unknown}`;
}
