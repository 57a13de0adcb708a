/** Numbers and times as people read them. */

const COUNT = new Intl.NumberFormat('en');
const RATE = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });
const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
const MINUTE_SECONDS = 60;
const HOUR_SECONDS = 3_600;
const DAY_SECONDS = 86_400;

export function countText(value: number | bigint): string {
  return COUNT.format(value);
}

/** Of something a second, three digits. */
export function rateText(perSecond: number): string {
  return RATE.format(perSecond >= 1_000 ? Math.round(perSecond) : perSecond);
}

/** `1 session`, `2 sessions`. */
export function countOf(count: number, noun: string): string {
  return `${countText(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** Octets, decimal units. */
export function bytesText(bytes: number | bigint): string {
  let value = Number(bytes);
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1_000;
    unit++;
  }
  return `${unit === 0 ? value : RATE.format(value)} ${UNITS[unit]}`;
}

/** A short time, three digits: `830 ns`, `2.1 µs`, `14 ms`, `1.2 s`. */
export function secondsText(seconds: number): string {
  if (seconds === 0 || !Number.isFinite(seconds)) return '–';
  if (seconds < 1e-6) return `${RATE.format(seconds * 1e9)} ns`;
  if (seconds < 1e-3) return `${RATE.format(seconds * 1e6)} µs`;
  if (seconds < 1) return `${RATE.format(seconds * 1e3)} ms`;
  return `${RATE.format(seconds)} s`;
}

/** How long something has lasted: `42 s`, `3 min`, `5 h`, `12 d`. */
export function ageText(seconds: number): string {
  if (seconds < MINUTE_SECONDS) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < HOUR_SECONDS) return `${Math.round(seconds / MINUTE_SECONDS)} min`;
  if (seconds < DAY_SECONDS) return `${Math.round(seconds / HOUR_SECONDS)} h`;
  return `${Math.round(seconds / DAY_SECONDS)} d`;
}

interface Moment {
  readonly seconds: bigint;
  readonly nanos: number;
}

/** A duration or a time of the API in seconds; 0 for none. */
export function secondsOf(moment: Moment | undefined): number {
  return moment === undefined ? 0 : Number(moment.seconds) + moment.nanos / 1e9;
}

/** Date and time in the reader's zone; `–` for none. */
export function momentText(moment: Moment | undefined): string {
  if (moment === undefined) return '–';
  return new Date(secondsOf(moment) * 1_000).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}

/** The time of day with tenths of a second. */
export function clockText(moment: Moment | undefined): string {
  if (moment === undefined) return '–';
  const date = new Date(secondsOf(moment) * 1_000);
  return `${date.toLocaleTimeString('en-GB')}.${Math.floor(date.getMilliseconds() / 100)}`;
}

/** `host:port`, with brackets around an address of IPv6. */
export function authorityText(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
