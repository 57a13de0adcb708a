/** `sallyport help`: the commands, and every setting from the one table. */
import { ALL_SETTINGS, flagName } from '../settings.ts';

const COMMANDS = `Usage: sallyport [command] [flags]

Commands
  serve     start the control plane and the gateway (the default)
  config    print the effective settings and where each came from
  version   print the version
  help      print this text

Settings: flags over environment over file over defaults. Every flag --some-name
is also SALLYPORT_SOME_NAME in the environment and someName in the YAML file that
--config (SALLYPORT_CONFIG) names.
`;

/** The whole text; wraps nothing. */
export function printHelp(): string {
  const rows = [...ALL_SETTINGS].map(([name, { type, help, fallback, fallbackHelp, secret }]) => {
    const shown = fallbackHelp ?? (typeof fallback === 'string' ? fallback : 'not set');
    const how = secret ? 'environment or file only' : type.phrase;
    return `  --${flagName(name)}\n      ${help}\n      ${how}; default: ${shown}`;
  });
  return [COMMANDS, ...rows].join('\n');
}
