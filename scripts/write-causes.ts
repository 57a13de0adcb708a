/**
 * Writes `docs/causes.md` from the catalogue of causes, so that the page cannot
 * say anything else than the gateway does.
 *
 *   node scripts/write-causes.ts            writes the page
 *   node scripts/write-causes.ts --check    exits 1 when the page is not what would be written
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ADVICE } from '../src/core/advice.ts';
import { CAUSES, type Cause, type CauseRow, EXTENDED_STATUSES, SOCKS_REPLIES } from '../src/core/cause.ts';

const PAGE = new URL('../docs/causes.md', import.meta.url);

const INTRODUCTION = `# Causes

Every way in which a proxied request can end other than well. The cause is the reason phrase of the answer
(\`HTTP/1.1 502 upstream_auth_failed\`), the \`details\` of \`Proxy-Status\` (RFC 9209), the field \`cause\` of the log line, and the
label \`cause\` of \`sallyport_causes_total\`. The body of an answer is the sentence given here and nothing else;
\`selector_invalid\` alone has others.

- **Status** \`cut\`: the response had begun, or nobody is left to answer; the connection is ended so that it cannot be taken for a whole response.
- **Extended**: the status on a listener with \`errorStatus: extended\`, where it is another. Everything else stays the same.
- **SOCKS**: the reply code (RFC 1928 section 6) that a client gets which speaks SOCKS5 and has said who it is.
- **Whose**: who can do something about it.
- **Moves**: another session may cure it.
- **Harms**: what it counts against, when the health of sessions is judged. A plain request that went through a tunnel (SOCKS, LOCAL) harms
  (session, target) alone from when that was open.
- Some requests get a more exact number for the same cause: \`head_too_large\` is 414 when the request line takes up the room,
  \`method_unsupported\` is 405 for TRACE, \`bad_request\` is 501 for a transfer coding that we do not know.
  A SOCKS5 request with an address type that we do not know gets reply 8.
- \`selector_invalid\` says which key in a sentence of its own, such as \`The selector's "ttl" is not valid.\`, and so do the log line, in
  \`selector_key\`, and ResolveSession, in its reason: [what each says](selector.md#what-an-error-says). Never what was sent.

This page is written by \`node scripts/write-causes.ts\` from \`src/core/cause.ts\` and \`src/core/advice.ts\`.
`;

/** Who can do something about it, as the end of a sentence. */
const WHOSE: Readonly<Record<CauseRow['fault'], string>> = {
  client: 'Up to the client.',
  policy: 'Up to whoever sets the rules here.',
  operator: 'Up to the operator.',
  gateway: 'Up to the gateway’s operator.',
  upstream: 'Up to the upstream, or whoever chose it.',
  target: 'Up to the target.',
};

/** The whole page, ending in a newline. */
export function causesPage(): string {
  const rows = Object.entries<CauseRow>(CAUSES).map(
    ([cause, { status, fault, moves, harms, error, sentence }]) =>
      `| \`${cause}\` | ${status === 0 ? 'cut' : status} | ${EXTENDED_STATUSES[cause as Cause] ?? '–'} | ${SOCKS_REPLIES[cause as Cause]} | ${fault} | ${moves ? 'yes' : 'no'} | ${harms ?? '–'} | ${error === null ? '–' : `\`${error}\``} | ${sentence} |`,
  );
  const head =
    '| Cause | Status | Extended | SOCKS | Whose | Moves | Harms | `Proxy-Status` error | Sentence |\n' +
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- |';
  const advice = Object.entries(ADVICE).map(
    ([cause, text]) => `### \`${cause}\`\n\n${seenAs(cause as Cause)}\n\n${withLinks(text)}`,
  );
  return `${INTRODUCTION}\n${head}\n${rows.join('\n')}\n\n## What to do\n\n${advice.join('\n\n')}\n`;
}

/** What a client has of it, as far as it shows what it is told. */
function seenAs(cause: Cause): string {
  const { status, fault, sentence } = CAUSES[cause] as CauseRow;
  const seen = status === 0 ? 'A connection that is cut' : `\`${status} ${cause}\``;
  return `${seen}, “${sentence}” ${WHOSE[fault]}`;
}

/** Pages are named from the root, for those who read the advice elsewhere. */
function withLinks(text: string): string {
  return text.replaceAll(/`docs\/([\w-]+\.md)(#[\w-]+)?`/g, (_, page: string, anchor = '') => {
    const name = `${page.replace('.md', '')}${anchor === '' ? '' : `: ${anchor.slice(1).replaceAll('-', ' ')}`}`;
    return `[${name}](${page}${anchor})`;
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (!process.argv.includes('--check')) writeFileSync(PAGE, causesPage());
  else if (readFileSync(PAGE, 'utf8') !== causesPage()) {
    console.error('docs/causes.md is not what src/core/cause.ts says: run node scripts/write-causes.ts');
    process.exitCode = 1;
  }
}
