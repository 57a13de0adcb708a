/**
 * Reads `docs/clients.md` as its readers do: the blocks that they paste, and the
 * tables of what each client says and cannot do. The tests hold the page to the truth.
 */
import { readFileSync } from 'node:fs';

/** A fenced block of a client's section. */
export interface Snippet {
  readonly client: string;
  readonly language: string;
  readonly text: string;
}

const PAGE = readFileSync(new URL('../../../docs/clients.md', import.meta.url), 'utf8');
/** Sections by their heading, of the second and the third level. */
const SECTIONS = new Map(
  PAGE.split(/^##+ /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf('\n')), section] as const),
);

/** Every block that can be run, with the heading that it stands under. */
export const SNIPPETS: readonly Snippet[] = [...SECTIONS].flatMap(([client, section]) =>
  [...section.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language = '', text = '']) => ({ client, language, text })),
);

/** Rows of the table in a section, without its head: cells as text. */
function rowsOf(heading: string): string[][] {
  const lines = (SECTIONS.get(heading) ?? '').split('\n').filter((line) => line.startsWith('| '));
  return lines.slice(2).map((line) => line.slice(2, -2).split(' | '));
}

const REFUSALS = 'What a refusal looks like';
const COLUMNS = { 'wrong-key': 1, refused: 2 } as const;

/** What the page quotes of a client's words; throws when it quotes none. */
export function documentedError(client: string, of: 'wrong-key' | 'refused'): string {
  const row = rowsOf(REFUSALS).find(([name]) => name === client);
  const quoted = /`([^`]+)`/.exec(row?.[COLUMNS[of]] ?? '')?.[1];
  if (quoted === undefined) throw new Error(`docs/clients.md quotes no ${of} of ${client}`);
  return quoted;
}

/** What the page says that clients cannot do, as `client: scenario: reason`. */
export function documentedGaps(): string[] {
  return rowsOf('What they cannot do').flatMap(([client, scenarios = '', reason]) =>
    scenarios.split(', ').map((scenario) => `${client}: ${scenario}: ${reason}`),
  );
}
