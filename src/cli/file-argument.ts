/** The arguments of commands that take a file: `COMMAND FILE [--force] [settings]`. */

export type FileArguments =
  | { readonly ok: true; readonly file: string; readonly force: boolean; readonly settings: readonly string[] }
  | { readonly ok: false; readonly problem: string };

const FORCE = '--force';

/** Takes the file and `--force` out; the rest is for `loadConfig`. `mayForce`: whether the command knows `--force`. */
export function takeFile(command: string, args: readonly string[], mayForce: boolean): FileArguments {
  const others = mayForce ? args.filter((argument) => argument !== FORCE) : [...args];
  const [file, ...settings] = others;
  if (file === undefined || file === '' || file.startsWith('-')) {
    const usage = `sallyport ${command} FILE${mayForce ? ` [${FORCE}]` : ''} [settings]`;
    return { ok: false, problem: `the first argument must be a file: ${usage}` };
  }
  return { ok: true, file, force: others.length < args.length, settings };
}
