/**
 * How a command ends that cannot do what it was asked: sentences for a person, and an exit
 * code for a script. The service's own words, with the names of flags where it names fields.
 */
import { BadRequestSchema, Code, ConnectError, idOf, uuidOf } from '../../client/client.ts';

/** Exit codes of every command. */
export const EXIT = { done: 0, refused: 1, usage: 2, unreachable: 3, interrupted: 130 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Ends a command: `message` is what is told, without the name of the program before it. */
export class CommandFailure extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** What was asked cannot be meant. */
export function usageFailure(message: string): CommandFailure {
  return new CommandFailure(EXIT.usage, message);
}

type Flags = ReadonlyMap<string, string>;

/** What is told of a failure, and how the process ends. `url`: of the server that was asked; `flags`: of the command, by field. */
export function failureOf(error: unknown, url: string, flags: Flags): CommandFailure {
  if (error instanceof CommandFailure) return error;
  if (error instanceof ConnectError) return refusalOf(error, url, flags);
  const { code, message } = error as NodeJS.ErrnoException;
  return new CommandFailure(EXIT.refused, message || String(code));
}

function refusalOf(error: ConnectError, url: string, flags: Flags): CommandFailure {
  const { code: reason } = (error.cause ?? {}) as NodeJS.ErrnoException;
  if (typeof reason === 'string') return unreachable(url, reason);
  // A failure that came over the wire has the header fields of the answer; one of our own has none.
  const isAnswer = [...error.metadata].length > 0;
  if (isAnswer && !OF_THE_API.test(error.metadata.get('content-type') ?? '')) return stranger(url, error.rawMessage);
  const violations = error.findDetails(BadRequestSchema).flatMap(({ fieldViolations }) => fieldViolations);
  if (violations.length > 0) {
    return new CommandFailure(
      EXIT.refused,
      violations.map(({ field, description }) => `${flagOf(field, flags)}: ${description}`).join('\n'),
    );
  }
  return new CommandFailure(EXIT.refused, `${withUuids(error.rawMessage)}${nextStep(error.code)}`);
}

/** The service names what it means by its id in base64, as JSON has it; people know it as a UUID. */
function withUuids(text: string): string {
  return text.replaceAll(/(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{22}==/g, (id) => uuidOf(idOf(id)));
}

/** What the service answers with; whatever else comes is of somebody else. */
const OF_THE_API = /^application\/(?:json|proto|connect\+)/;

/** Something answers that is no control plane. */
export function stranger(url: string, answer: string): CommandFailure {
  const hint = 'SALLYPORT_URL must name the control plane, such as http://127.0.0.1:7070, and not the gateway.';
  return new CommandFailure(EXIT.unreachable, `what answers at ${url} is no control plane (${answer})\n${hint}`);
}

/** The code of what kept a `fetch` from its answer. */
export function codeOf(error: unknown): string {
  const { code, message } = ((error as Error).cause ?? {}) as Partial<NodeJS.ErrnoException>;
  return code ?? message ?? 'no answer';
}

/** No answer came from a server. */
export function unreachable(url: string, reason: string): CommandFailure {
  const how = reason === 'ECONNREFUSED' ? 'nothing listens there' : reason;
  const hint = 'Is it running ("sallyport serve")? SALLYPORT_URL names another one.';
  return new CommandFailure(EXIT.unreachable, `the server at ${url} cannot be reached: ${how}\n${hint}`);
}

/** What to do next, where the code says it; with a blank before it. */
function nextStep(code: Code): string {
  switch (code) {
    case Code.Unauthenticated:
      return '\nThe key is SALLYPORT_API_KEY, or that of bootstrap.json in the data directory.';
    case Code.PermissionDenied:
      return '\n"sallyport key list" shows what each key may do.';
    case Code.Aborted:
      return '\nIt has changed meanwhile: look at it again.';
    default:
      return '';
  }
}

/** What fields are called at a prompt, where that is not how the API calls them. */
const CALLED: Readonly<Record<string, string>> = { startDate: 'from', endDate: 'to', accountName: 'account' };

/** `health.baseEjection`, `policies[1]` and `endpoint` as whoever types commands knows them; an argument is no flag. */
function flagOf(field: string, flags: Flags): string {
  const plain = field.replace(/\[\d+\]$/, '');
  const name = CALLED[plain] ?? plain;
  const flag = flags.get(name);
  if (flag !== undefined) return flag;
  const within = [...flags].filter(([each]) => each.startsWith(`${name}.`)).map(([, each]) => each);
  return within.length > 0 ? within.join(', ') : (CALLED[plain] ?? field);
}
