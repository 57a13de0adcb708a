/** Days between messages (`YYYY-MM-DD`) and records (days since the epoch), both UTC. */

const MS_PER_DAY = 86_400_000;

/** The day of a date such as `2026-02-28`; null for what is no date of the calendar. */
export function dayFromDate(date: string): number | null {
  const ms = /^\d{4}-\d\d-\d\d$/.test(date) ? Date.parse(`${date}T00:00:00Z`) : Number.NaN;
  // The parser takes the 30th of February for the 2nd of March.
  return Number.isNaN(ms) || dateFromDay(ms / MS_PER_DAY) !== date ? null : ms / MS_PER_DAY;
}

/** A day of the years 0 to 9999 as a date. */
export function dateFromDay(day: number): string {
  return new Date(day * MS_PER_DAY).toISOString().slice(0, 10);
}
