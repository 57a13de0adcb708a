/**
 * Bounds the series that names of pools and providers can make: the first 1,000
 * names keep a series of their own, all later ones share `other`. A name that was
 * admitted stays, so that counters never run backwards.
 */
import type { HistogramSnapshot, LabelledHistogram, PoolColumns, Sample } from '../../src/core/metrics.ts';
import type { Samples } from './exposition.ts';

const OTHER = 'other';
const CAPPED: ReadonlySet<string> = new Set(['pool', 'provider']);

/** Renames what is beyond the bound and adds up what then has the same labels. */
export type LabelCap = (labels: readonly string[], samples: Samples) => Samples;

/** A cap of its own memory; `maxNames` per label. */
export function createLabelCap(maxNames = 1_000): LabelCap {
  const admitted = new Map([...CAPPED].map((label) => [label, new Set<string>()]));
  /** Whether a value keeps its name: always under a label without a bound, else while there is room. */
  const admit = (label: string, value: string): boolean => {
    const names = admitted.get(label);
    if (names === undefined || names.has(value)) return true;
    if (names.size >= maxNames) return false;
    names.add(value);
    return true;
  };
  return (labels, given) => {
    if ('pools' in given && given.pools.reduce((all, pool) => admit('pool', pool) && all, true)) return given;
    const samples = 'pools' in given ? inSamples(given) : given;
    if (!labels.some((label) => CAPPED.has(label))) return samples;
    const admits = (sample: Sample | LabelledHistogram) =>
      sample.labels.reduce((all, value, i) => admit(labels[i] ?? '', value) && all, true);
    // The usual case: nothing to rename, so nothing to add up.
    if (samples.reduce((all, sample) => admits(sample) && all, true)) return samples;
    const rename = (label: string, value: string) => (admit(label, value) ? value : OTHER);
    const merged = new Map<string, Sample | LabelledHistogram>();
    for (const sample of samples) {
      const renamed = { ...sample, labels: sample.labels.map((value, i) => rename(labels[i] ?? '', value)) };
      const key = JSON.stringify(renamed.labels);
      const before = merged.get(key);
      merged.set(key, before === undefined ? renamed : add(before, renamed));
    }
    return [...merged.values()];
  };
}

function inSamples({ pools, columns }: PoolColumns): Sample[] {
  return pools.flatMap((pool, row) => {
    return columns.map(({ labels, values }) => ({ labels: [pool, ...labels], value: values[row] ?? 0 }));
  });
}

function add(a: Sample | LabelledHistogram, b: Sample | LabelledHistogram): Sample | LabelledHistogram {
  if ('histogram' in a && 'histogram' in b)
    return { labels: a.labels, histogram: addHistograms(a.histogram, b.histogram) };
  if ('value' in a && 'value' in b) return { labels: a.labels, value: a.value + b.value };
  throw new Error('samples of one metric are of one kind');
}

function addHistograms(a: HistogramSnapshot, b: HistogramSnapshot): HistogramSnapshot {
  return { bounds: a.bounds, counts: a.counts.map((count, i) => count + (b.counts[i] ?? 0)), sum: a.sum + b.sum };
}
