/** `sallyport help`: the commands, and every setting from the one table. */
import { ALL_SETTINGS, FILE_LISTS, flagName } from '../settings.ts';

const COMMANDS = `Usage: sallyport [command] [flags]

Commands
  serve     start the control plane and the gateway (the default)
  config    print the effective settings and where each came from
  backup FILE [--force]
            fetch a copy of the database from the running server
  restore FILE
            put such a copy in the place of the database, with no server running
  version   print the version
  help      print this text

Settings: flags over environment over file over defaults. Every flag --some-name
is also SALLYPORT_SOME_NAME in the environment and someName in the YAML file that
--config (SALLYPORT_CONFIG) names. Commands that talk to a server find it by
SALLYPORT_URL and SALLYPORT_API_KEY, or by bootstrap.json in the data directory.
Exit codes: 0 done, 1 refused, 2 wrong usage, 3 the server cannot be reached.
`;

/** The whole text; wraps nothing. */
export function printHelp(): string {
  const rows = [...ALL_SETTINGS].map(([name, { type, help, fallback, fallbackHelp, secret }]) => {
    const shown = fallbackHelp ?? (typeof fallback === 'string' ? fallback : 'not set');
    const how = secret ? 'environment or file only' : type.phrase;
    return `  --${flagName(name)}\n      ${help}\n      ${how}; default: ${shown}`;
  });
  return [
    COMMANDS,
    ...rows,
    '',
    'Lists of mappings, in the file only',
    ...Object.entries(FILE_LISTS).map(listText),
  ].join('\n');
}

function listText([name, { help, fields }]: [string, (typeof FILE_LISTS)[keyof typeof FILE_LISTS]]): string {
  const lines = Object.entries(fields).map(([field, row]) => `      ${field}: ${row.help}; ${row.type.phrase}`);
  return [`  ${name}`, `      ${help}`, ...lines].join('\n');
}
