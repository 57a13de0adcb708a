/**
 * Where in the console one is, as the part of the address behind `#`: `#sessions?pool=web&q=de`.
 * A link, the back button and a reload all lead to the same place.
 */

export const PAGES = ['overview', 'sessions', 'tail', 'explain', 'keys'] as const;
export type PageName = (typeof PAGES)[number];

export interface Place {
  readonly page: PageName;
  readonly params: URLSearchParams;
}

/** The place that a fragment names; the overview for one that names none. */
export function placeOf(fragment: string): Place {
  const [name = '', query = ''] = fragment.replace(/^#\/?/, '').split('?', 2);
  const page = PAGES.find((each) => each === name) ?? 'overview';
  return { page, params: new URLSearchParams(query) };
}

/** The fragment that leads there; empty parameters are left out. */
export function fragmentOf(page: PageName, params: Readonly<Record<string, string>> = {}): string {
  const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value !== '')).toString();
  return `#${page}${query === '' ? '' : `?${query}`}`;
}
