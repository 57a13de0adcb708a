/** Samples of a metrics page in Prometheus' text format, as far as commands and the console look at it: sums of plain series. */

export interface MetricsPage {
  /** The sum of the series of this name that have these labels; 0 for none. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number;
  /** The values of a label among the series of this name that have these labels, each with its sum. */
  by(name: string, label: string, labels?: Readonly<Record<string, string>>): ReadonlyMap<string, number>;
  /** A label of the first series of this name; empty for none. */
  label(name: string, label: string): string;
}

interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

export function readMetrics(text: string): MetricsPage {
  const series = new Map<string, Series[]>();
  for (const line of text.split('\n')) {
    const [, name, labels = '', value] = SAMPLE.exec(line) ?? [];
    if (name === undefined) continue;
    const pairs = [...labels.matchAll(LABEL)].map(([, key, word]) => [key!, word!.replaceAll(/\\(.)/g, '$1')] as const);
    const found = series.get(name) ?? [];
    found.push({ labels: Object.fromEntries(pairs), value: Number(value) });
    series.set(name, found);
  }
  const select = (name: string, labels: Readonly<Record<string, string>>) =>
    (series.get(name) ?? []).filter((each) => Object.entries(labels).every(([key, word]) => each.labels[key] === word));
  return {
    sum: (name, labels = {}) => select(name, labels).reduce((sum, { value }) => sum + value, 0),
    by(name, label, labels = {}) {
      const sums = new Map<string, number>();
      for (const { labels: own, value } of select(name, labels)) {
        const word = own[label] ?? '';
        sums.set(word, (sums.get(word) ?? 0) + value);
      }
      return sums;
    },
    label: (name, label) => series.get(name)?.[0]?.labels[label] ?? '',
  };
}
