/** `sallyport env POOL`: the lines that make a shell's programs go through a pool; `eval` takes them. */
import { Argument, type Command, Option } from 'commander';
import { addCommand, type Call } from './command.ts';
import { usageFailure } from './failure.ts';
import type { CommandHost } from './host.ts';
import { findPool } from './names.ts';

const SHELLS = ['sh', 'fish', 'powershell'] as const;
type Shell = (typeof SHELLS)[number];

const LINE: Readonly<Record<Shell, (name: string, value: string) => string>> = {
  sh: (name, value) => `export ${name}='${value}'`,
  fish: (name, value) => `set -gx ${name} '${value}'`,
  powershell: (name, value) => `$env:${name} = '${value}'`,
};
/** curl reads `http_proxy` in lower case alone; others read only the other spelling. */
const NAMES = ['HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy'];
const DIRECT = 'localhost,127.0.0.1,::1';

export function addEnvCommand(program: Command, host: CommandHost): void {
  const command = addCommand(
    program,
    'env',
    { help: 'print the lines that send a shell’s programs through a pool; they hold the key', example: 'env default' },
    host,
    printEnv,
  );
  command
    .addArgument(new Argument('[username]', 'a pool, or a whole username of the selector').default('default'))
    .addOption(new Option('--shell <shell>', 'whose lines').choices(SHELLS).default('sh'))
    .option('--gateway <url>', 'where clients reach the gateway, in place of SALLYPORT_GATEWAY_URL');
  command.addHelpText('after', '\n  eval "$(sallyport env default)"');
}

async function printEnv({ operator, out, args, command }: Call): Promise<void> {
  const { shell, gateway } = command.opts<{ shell: Shell; gateway?: string }>();
  const username = args[0]!;
  // A name that is none is told here, and not by each program that is refused later.
  if (!username.includes('-')) await findPool(operator, username);
  const address = gateway ?? out.host.env.SALLYPORT_GATEWAY_URL ?? operator.gatewayUrl;
  if (address === undefined || !URL.canParse(address)) {
    throw usageFailure('where the gateway listens is not known: say --gateway http://HOST:3128');
  }
  const url = new URL(address);
  url.username = encodeURIComponent(username);
  url.password = operator.apiKey;
  // A URL may hold a quote, and the lines are for `eval`.
  const value = url.href.replace(/\/$/, '').replaceAll("'", '%27');
  const line = LINE[shell];
  const lines = [...NAMES.map((name) => line(name, value)), line('NO_PROXY', DIRECT), line('no_proxy', DIRECT)];
  if (out.json)
    out.tell(Object.fromEntries([...NAMES.map((name) => [name, value]), ['NO_PROXY', DIRECT], ['no_proxy', DIRECT]]));
  else out.host.print(lines.join('\n'));
}
