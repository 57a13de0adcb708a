/**
 * Writes `docs/api.md` from the comments of the `.proto` files and from
 * `api-examples.ts`, so that the page cannot say anything else than the contract.
 *
 *   node scripts/write-api.ts            writes the page
 *   node scripts/write-api.ts --check    exits 1 when the page is not what would be written
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { DescEnum, DescField, DescMessage, DescMethod, DescService } from '@bufbuild/protobuf';
import { Accounts } from '../control/gen/accounts/v1/accounts_pb.ts';
import { Proxies } from '../control/gen/proxies/v1/proxies_pb.ts';
import { API_EXAMPLES, BOOTSTRAP_VARIABLES } from './api-examples.ts';
import { readProtoComments } from './proto-comments.ts';

const PAGE = new URL('../docs/api.md', import.meta.url);
const SERVICES = [Accounts, Proxies];

const INTRODUCTION = `# API reference

Every method is \`POST /<package>.<Service>/<Method>\`: one JSON object in, one out, with an API key in \`Authorization\`. The same
paths speak gRPC and gRPC-Web, and Connect in protobuf's binary format; the schema is \`control/proto/\`. TypeScript programs use
\`sallyport/client\` (at the end of this page).

- Ids are 16 bytes in padded standard base64. 64-bit integers are strings. Times are RFC 3339 in UTC, durations like \`"30s"\`, dates
  \`YYYY-MM-DD\`, enum values their names. Fields of a request that are not listed here are refused.
- Errors are \`{"code", "message", "details"}\` with an HTTP status; \`google.rpc.BadRequest\` in \`details\` names the fields:
  \`invalid_argument\` and \`failed_precondition\` 400, \`unauthenticated\` 401, \`permission_denied\` 403, \`not_found\` 404,
  \`already_exists\` and \`aborted\` 409, \`resource_exhausted\` 429 with \`Retry-After\`, \`canceled\` 499, \`internal\` 500,
  \`unavailable\` 503, \`deadline_exceeded\` 504.
- Lists answer ids and \`nextCursor\`, which is empty at the end; each noun has a \`BatchGet\`.
- A request is at most 4 MiB (BulkCreateSessions 16 MiB). A key makes 500 calls a second, 1,000 at once.
- \`Connect-Timeout-Ms\` bounds a call: one that has not begun to write by then changes nothing.

The curl lines below work as they stand, in this order, in a shell that has:

\`\`\`sh
${[
  'SALLYPORT_URL=http://127.0.0.1:7070',
  'field() { sed -n \'s/^ *"\'"$1"\'": "\\(.*\\)",*$/\\1/p\' data/bootstrap.json; }',
  'SALLYPORT_API_KEY=$(field apiKey)',
  ...Object.entries(BOOTSTRAP_VARIABLES).map(([name, field]) => `${name}=$(field ${field})`),
  'AUTH="Authorization: Bearer $SALLYPORT_API_KEY"',
  "JSON='Content-Type: application/json'",
].join('\n')}
\`\`\`

Methods that stream frame their messages: a byte of flags, four of length, the JSON. So a line for them frames the request:

\`\`\`sh
frame() { printf '\\0\\0\\0\\0'"\\\\$(printf %03o \${#1})%s" "$1"; }
STREAM='Content-Type: application/connect+json'
\`\`\`

This page is written by \`node scripts/write-api.ts\`.
`;

const CLIENT = `## TypeScript

\`\`\`ts
import { createSallyport, idOf } from 'sallyport/client';

const sallyport = createSallyport({ url: 'http://127.0.0.1:7070', apiKey: process.env.SALLYPORT_API_KEY! });
const workspaceId = idOf(process.env.WORKSPACE_ID!);
const { poolIds } = await sallyport.proxies.listPools({ workspaceId });
for await (const { request } of sallyport.proxies.tailRequests({ workspaceId })) console.log(request?.cause);
\`\`\`

A stream ends when its \`signal\` (\`tailRequests(request, { signal })\`) is aborted; a loop that is left by itself leaves it open.

Every message has its type (\`CreateSessionRequest\`), and the type of its JSON (\`CreateSessionRequestJson\`) for programs that use
\`fetch\`; \`RequestJson['proxies.v1.Proxies/CreateSession']\` finds the latter by the method's path.
`;

/** The whole page, ending in a newline. */
export function apiPage(): string {
  const comments = readProtoComments();
  const say = (name: string): string => comments.get(name) ?? missing(name);
  const parts = [INTRODUCTION];
  for (const service of SERVICES) {
    parts.push(`## ${service.typeName}\n`, `${say(service.file.proto.package)}\n`);
    for (const method of service.methods) parts.push(methodSection(service, method, say));
  }
  const { messages, enums } = sharedTypes();
  parts.push('## Messages\n');
  for (const message of messages)
    parts.push(`### ${message.name}\n`, `${say(message.typeName)}\n`, table(message, say));
  parts.push('## Enums\n');
  for (const each of enums) parts.push(`### ${each.name}\n`, `${say(each.typeName)}\n`, enumTable(each, say));
  parts.push(CLIENT);
  return parts.join('\n');
}

function missing(name: string): never {
  throw new Error(`${name} has no comment in its .proto file`);
}

type Say = (name: string) => string;

function methodSection(service: DescService, method: DescMethod, say: Say): string {
  const path = `${service.typeName}/${method.name}`;
  const example = API_EXAMPLES.get(path);
  if (example === undefined) throw new Error(`${path} has no example in api-examples.ts`);
  const body = shellQuoted(JSON.stringify(example.body));
  const url = `"$SALLYPORT_URL/${path}"`;
  const line =
    example.stream === true
      ? `frame ${body} | curl -sSN ${url} -H "$AUTH" -H "$STREAM" -H 'Connect-Timeout-Ms: 2000' --data-binary @-`
      : `curl -sS ${url} -H "$AUTH" -H "$JSON" -d ${body}`;
  const sets = Object.entries(example.sets ?? {}).map(([name, at]) => `\`${name}\` below is its \`${at}\`.`);
  const answers = method.methodKind === 'server_streaming' ? 'Answers, one after the other' : 'Answers';
  return [
    `### ${method.name}\n`,
    `${say(`${service.typeName}.${method.name}`)}\n`,
    '```sh',
    line,
    '```\n',
    ...(sets.length > 0 ? [`${sets.join(' ')}\n`] : []),
    fieldsOf('Takes', method.input, say),
    fieldsOf(answers, method.output, say),
  ].join('\n');
}

function fieldsOf(heading: string, message: DescMessage, say: Say): string {
  if (message.fields.length === 0) return `${heading}: \`{}\`\n`;
  return `${heading}:\n\n${table(message, say)}`;
}

function table(message: DescMessage, say: Say): string {
  const rows = message.fields.map(
    (field) => `| \`${field.jsonName}\` | ${typeOf(field)} | ${cell(say(`${message.typeName}.${field.name}`))} |`,
  );
  return `| Field | Type | |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
}

function enumTable(each: DescEnum, say: Say): string {
  const rows = each.values.map(({ name }) => `| \`${name}\` | ${cell(say(`${each.typeName}.${name}`))} |`);
  return `| Value | |\n| --- | --- |\n${rows.join('\n')}\n`;
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll(/\s*\n+\s*/g, ' ');

/** Scalar types by their number in descriptor.proto, as JSON shows them. */
const SCALARS: Readonly<Record<number, string>> = {
  3: 'int64 as string',
  5: 'number',
  8: 'boolean',
  9: 'string',
  12: 'bytes, base64',
};
const WELL_KNOWN: Readonly<Record<string, string>> = {
  'google.protobuf.Timestamp': 'time',
  'google.protobuf.Duration': 'duration',
  'google.protobuf.Struct': 'object',
};

function typeOf(field: DescField): string {
  const one = (kind: {
    message?: DescMessage | undefined;
    enum?: DescEnum | undefined;
    scalar?: number | undefined;
  }) => {
    if (kind.message !== undefined) return WELL_KNOWN[kind.message.typeName] ?? link(kind.message.name);
    if (kind.enum !== undefined) return link(kind.enum.name);
    return SCALARS[kind.scalar ?? 0] ?? missing(`a name for the type of ${field}`);
  };
  if (field.fieldKind === 'map') return 'object of strings';
  const named = one(field);
  return field.fieldKind === 'list' ? `list of ${named}` : named;
}

const link = (name: string): string => `[${name}](#${name.toLowerCase()})`;

/** Messages and enums that requests and responses are made of, in the order of the files. */
function sharedTypes(): { messages: DescMessage[]; enums: DescEnum[] } {
  const own = new Set(SERVICES.flatMap(({ methods }) => methods.flatMap(({ input, output }) => [input, output])));
  const files = SERVICES.map(({ file }) => file);
  return {
    messages: files.flatMap((file) => file.messages).filter((message) => !own.has(message)),
    enums: files.flatMap((file) => file.enums),
  };
}

/** A JSON text as a shell word in which `$NAME` is the shell's variable. */
function shellQuoted(json: string): string {
  return `'${json.replaceAll("'", "'\\''").replaceAll(/"\$([A-Z_]+)"/g, '"\'"$$$1"\'"')}'`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const page = apiPage();
  if (process.argv.includes('--check')) {
    if (readFileSync(PAGE, 'utf8') !== page) process.exitCode = 1;
  } else writeFileSync(PAGE, page);
}
