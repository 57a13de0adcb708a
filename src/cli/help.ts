/** `sallyport help settings`: every setting, from the one table. */
import { ALL_SETTINGS, FILE_LISTS, flagName } from '../settings.ts';

const HOW = `Usage: sallyport serve [flags]

Settings: flags over environment over file over defaults. Every flag --some-name
is also SALLYPORT_SOME_NAME in the environment and someName in the YAML file that
--config (SALLYPORT_CONFIG) names. "sallyport config" prints what is in force.
`;

/** The whole text; wraps nothing. */
export function settingsHelp(): string {
  const rows = [...ALL_SETTINGS].map(([name, { type, help, fallback, fallbackHelp, secret }]) => {
    const shown = fallbackHelp ?? (typeof fallback === 'string' ? fallback : 'not set');
    const how = secret ? 'environment or file only' : type.phrase;
    return `  --${flagName(name)}\n      ${help}\n      ${how}; default: ${shown}`;
  });
  return [HOW, ...rows, '', 'Lists of mappings, in the file only', ...Object.entries(FILE_LISTS).map(listText)].join(
    '\n',
  );
}

function listText([name, { help, fields }]: [string, (typeof FILE_LISTS)[keyof typeof FILE_LISTS]]): string {
  const lines = Object.entries(fields).map(([field, row]) => `      ${field}: ${row.help}; ${row.type.phrase}`);
  return [`  ${name}`, `      ${help}`, ...lines].join('\n');
}
