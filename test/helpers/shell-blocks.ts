/**
 * The blocks of the pages that are for a shell, and who runs each: `test/flow/pages.test.ts` unless something
 * says otherwise, so that a block that nobody thought of is run, and fails if it cannot be.
 *
 *   block ─┬─ its page has a test of its own ──▶ ELSEWHERE
 *          ├─ one of its programs needs more than a process ──▶ not run, NEEDS says why
 *          ├─ curl or bash ──▶ test/clients/pages.test.ts
 *          └─ everything else ──▶ test/flow/pages.test.ts, and once more with the clients
 */
import { type Fence, PAGES, readPage } from './pages.ts';

/** Pages whose blocks have tests of their own, by language. */
export const ELSEWHERE: readonly {
  readonly pages: readonly string[];
  readonly languages: readonly string[];
  readonly by: string;
}[] = [
  { pages: ['docs/api.md'], languages: ['sh'], by: 'test/clients/api-page.test.ts' },
  { pages: ['docs/api.md'], languages: ['ts'], by: 'test/clients/strict-project.test.ts' },
  {
    pages: ['docs/clients.md'],
    languages: ['sh', 'python', 'js', 'java', 'go', 'perl', 'ruby', 'php'],
    by: 'test/clients/matrix/page.test.ts',
  },
  { pages: ['docs/gateway.md'], languages: ['json', 'yaml'], by: 'test/unit/gateway-page.test.ts' },
];

/** What a program asks of a machine that no test has or may touch. Its block is read, not run. */
const NEEDS: ReadonlyMap<string, string> = new Map([
  ['apt-get', 'root'],
  ['docker', 'Docker'],
  ['git', 'the address of the repository'],
  ['helm', 'a cluster'],
  ['journalctl', 'systemd'],
  ['kubectl', 'a cluster'],
  ['npm', 'a checkout of its own: .ci/run plays the first start, a full build and the suites'],
  ['podman', 'Podman'],
  ['promtool', 'Prometheus'],
  ['sudo', 'root'],
  ['systemctl', 'systemd'],
]);
/** What a machine may be without that has Node.js and npm. */
const CLIENTS = ['curl', 'bash'];
const SHELLS = ['sh', 'bash'];

export type Account =
  | { readonly by: 'flow' }
  /** `programs`: all that it takes beyond a shell. */
  | { readonly by: 'clients'; readonly programs: readonly string[] }
  | { readonly by: 'elsewhere'; readonly test: string }
  | { readonly by: 'nobody'; readonly reason: string };

/** Who runs a block; null for one in a language that nobody runs. */
export function accountOf({ page, language, text }: Fence): Account | null {
  const other = ELSEWHERE.find(({ pages, languages }) => pages.includes(page) && languages.includes(language));
  if (other !== undefined) return { by: 'elsewhere', test: other.by };
  if (!SHELLS.includes(language)) return null;
  const used = programsOf(text);
  const need = used.find((program) => NEEDS.has(program));
  if (need !== undefined) return { by: 'nobody', reason: NEEDS.get(need)! };
  const programs = CLIENTS.filter((program) => used.includes(program) || program === language);
  return programs.length > 0 ? { by: 'clients', programs } : { by: 'flow' };
}

/** The programs that a script starts, as far as its words tell. */
export function programsOf(script: string): string[] {
  const text = script
    .replaceAll(/<<-?\s*'?(\w+)'?([^\n]*)\n(?:.*\n)*?\1$/gm, '$2')
    .replaceAll(/\\\n/g, ' ')
    .replaceAll(/(^|\s)#.*$/gm, '$1')
    .replaceAll(/'[^']*'/g, "''")
    .replaceAll(/\d?>&\d/g, '');
  const parts = text.split(/\n|\|\|?|&&?|;|[$<]?\(|\)/);
  const words = parts.map((part) => /^\s*(?:\w+=\S*\s+)*"?([\w./-]+)/.exec(part)?.[1] ?? '');
  return [...new Set(words.filter((word) => word !== ''))];
}

export interface ShellPage {
  readonly page: string;
  readonly blocks: readonly ShellBlock[];
}

export interface ShellBlock {
  readonly fence: Fence;
  readonly account: Account;
  /** What the page shows of its output, line by line; null where it shows none. */
  readonly output: readonly string[] | null;
}

/** The pages with blocks that are run here, each with all of these, in order. */
export function shellPages(): ShellPage[] {
  return PAGES.map((page) => ({ page, blocks: blocksOf(page) })).filter(({ blocks }) => blocks.length > 0);
}

function blocksOf(page: string): ShellBlock[] {
  const { fences } = readPage(page);
  return fences.flatMap((fence, i) => {
    const account = accountOf(fence);
    if (account === null || (account.by !== 'flow' && account.by !== 'clients')) return [];
    const next = fences[i + 1];
    const output = next?.language === 'text' ? next.text.trimEnd().split('\n') : null;
    return [{ fence, account, output }];
  });
}

/** Whether an output has the lines that a page shows of it, in order; `…` stands for anything. */
export function showsLines(output: string, lines: readonly string[]): boolean {
  const pattern = lines.map((line) => line.trimEnd().split('…').map(escaped).join('.*'));
  return new RegExp(`^${pattern.join('\\s*$[^]*?^')}\\s*$`, 'm').test(output);
}

/** A text as a pattern of itself. */
function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
