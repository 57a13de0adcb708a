/**
 * Prometheus's text format, for what is counted elsewhere: the gateway's counters and
 * the store's statements. prom-client prints what its own classes count, of which it
 * first makes an object a line; this writes the lines, and keeps of each series what
 * stands before its value. Called by `gateway-metrics.ts` and `statement-metrics.ts`.
 */
import type { HistogramSnapshot, LabelledHistogram, PoolColumns, Sample } from '../../src/core/metrics.ts';

/** A metric without its values. */
export interface Family {
  /** As published; of Prometheus's own characters. */
  readonly name: string;
  /** One line. */
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** Names of the labels, in the order in which samples have their values. */
  readonly labels: readonly string[];
}

export type Series = Sample | LabelledHistogram;
/** What a family has: series one by one, or those of all pools. */
export type Samples = readonly Series[] | PoolColumns;

/** Writes a family with its samples: lines, each of them ended. */
export type Printer = (samples: Samples) => string;

/** The printer of a family. It remembers each set of label values it has seen, so their number must be bounded. */
export function createPrinter({ name, help, type, labels }: Family): Printer {
  const head = `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  const seen = new Map<string, readonly string[]>();
  const textOf = (values: readonly string[]) => `${name}${inBraces(withValues(labels, values))} `;
  const textsOf = (series: Series): readonly string[] => {
    const key = series.labels.join('\0');
    let texts = seen.get(key);
    if (texts === undefined) {
      texts =
        'histogram' in series
          ? histogramTexts(name, withValues(labels, series.labels), series.histogram)
          : [textOf(series.labels)];
      seen.set(key, texts);
    }
    return texts;
  };
  const poolTextsOf = (pool: string, { columns }: PoolColumns): readonly string[] => {
    let texts = seen.get(pool);
    if (texts === undefined) {
      texts = columns.map((column) => textOf([pool, ...column.labels]));
      seen.set(pool, texts);
    }
    return texts;
  };
  return (samples) => {
    let page = head;
    if ('pools' in samples) {
      for (const [row, pool] of samples.pools.entries()) {
        const texts = poolTextsOf(pool, samples);
        for (const [i, { values }] of samples.columns.entries()) page += `${texts[i]}${values[row]}\n`;
      }
      return page;
    }
    for (const series of samples) {
      const texts = textsOf(series);
      page += 'histogram' in series ? histogramLines(texts, series.histogram) : `${texts[0]}${series.value}\n`;
    }
    return page;
  };
}

/** What stands before the values of a histogram: one for each bucket, then its sum and its count. */
function histogramTexts(name: string, shared: readonly string[], { counts, bounds }: HistogramSnapshot): string[] {
  const buckets = counts.map((_, i) => `${name}_bucket${inBraces([`le="${bounds[i] ?? '+Inf'}"`, ...shared])} `);
  return [...buckets, `${name}_sum${inBraces(shared)} `, `${name}_count${inBraces(shared)} `];
}

/** Prometheus counts buckets cumulatively; the snapshot does not. */
function histogramLines(texts: readonly string[], { counts, sum }: HistogramSnapshot): string {
  let lines = '';
  let cumulative = 0;
  for (const [i, count] of counts.entries()) {
    cumulative += count;
    lines += `${texts[i]}${cumulative}\n`;
  }
  return `${lines}${texts.at(-2)}${sum}\n${texts.at(-1)}${cumulative}\n`;
}

function withValues(labels: readonly string[], values: readonly string[]): string[] {
  return labels.map((label, i) => `${label}="${escaped(values[i] ?? '')}"`);
}

function inBraces(labels: readonly string[]): string {
  return labels.length === 0 ? '' : `{${labels.join(',')}}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}
