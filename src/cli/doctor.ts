/**
 * `sallyport doctor`: looks for what keeps requests from being served, from the settings of this
 * machine to one request through each provider and each session that failed of late, and says what to do.
 *
 *   settings ─▶ files ─▶ server, clock, key ─▶ pools ─▶ gateway ─▶ requests
 */
import type { Command } from 'commander';
import { ConnectError } from '../../client/client.ts';
import { addCommand, type Call } from './command.ts';
import { checkFiles, checkServer, checkSettings } from './doctor-local.ts';
import { checkGateway, checkPools, checkProviders } from './doctor-remote.ts';
import { checkSuspects } from './doctor-suspects.ts';
import { CommandFailure, EXIT } from './failure.ts';
import { bad, type Finding } from './finding.ts';
import type { CommandHost } from './host.ts';

export interface DoctorFlags {
  readonly dataDir?: string;
  readonly target: string;
  readonly request: boolean;
  readonly gateway?: string;
}

const MARKS = { ok: '✓', warn: '!', fail: '✗' } as const;

export function addDoctorCommand(program: Command, host: CommandHost): void {
  addCommand(
    program,
    'doctor',
    { help: 'look for what keeps requests from being served', example: 'doctor --target example.com:443' },
    host,
    diagnose,
  )
    .option('--target <host:port>', 'where the request through each provider goes', 'example.com:443')
    .option('--no-request', 'send no request anywhere')
    .option('--gateway <url>', 'where clients reach the gateway, in place of SALLYPORT_GATEWAY_URL');
}

async function diagnose(call: Call): Promise<void> {
  const { out } = call;
  const found: Finding[] = [];
  for await (const finding of looks(call)) {
    found.push(finding);
    const { verdict, what, text, advice } = finding;
    out.say(`${MARKS[verdict]} ${what}: ${text}${advice === null ? '' : `\n    ${advice}`}`);
  }
  const count = (verdict: Finding['verdict']) => found.filter((each) => each.verdict === verdict).length;
  out.tell(found.map((each) => ({ ...each })));
  out.say(`\n${count('ok')} well, ${count('warn')} doubtful, ${count('fail')} wrong`);
  if (count('fail') > 0) throw new CommandFailure(EXIT.refused, 'something keeps requests from being served');
}

/** Each look is made when the one before was told: some take their time. */
async function* looks(call: Call): AsyncGenerator<Finding> {
  const flags = call.command.opts<DoctorFlags>();
  yield* checkSettings(call.out.host);
  yield* checkFiles(call.out.host, flags.dataDir);
  const isThere = yield* checkServer(call.operator);
  if (!isThere) return;
  try {
    yield* checkPools(call.operator);
    const gateway = yield* checkGateway(call, flags);
    if (gateway === null || !flags.request) return;
    yield* checkProviders(call.operator, gateway, flags.target);
    yield* checkSuspects(call.operator, gateway, flags.target);
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    yield bad(
      'key',
      error.rawMessage,
      'The key is SALLYPORT_API_KEY, or that of bootstrap.json in the data directory.',
    );
  }
}
