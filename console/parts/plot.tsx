/** A plot over the last minutes, drawn by uPlot in the colours of the page, light or dark. */
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';

export interface Line {
  readonly label: string;
  /** A custom property of the style sheet, such as `--good`. */
  readonly colour: string;
  readonly filled?: boolean;
}

export interface PlotProps {
  readonly title: string;
  /** What the values are, for the axis and who cannot see the plot. */
  readonly format: (value: number) => string;
  readonly lines: readonly Line[];
  /** Unix times in seconds, then a series a line; null where nothing was measured. */
  readonly data: readonly [readonly number[], ...(readonly (number | null)[])[]];
  readonly logarithmic?: boolean;
}

const HEIGHT = 170;
const AXIS_WIDTH = 62;
const AXIS_HEIGHT = 28;

export function Plot({ title, format, lines, data, logarithmic = false }: PlotProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  // What a plot shows is set below; only its nature would make it anew, and that never changes.
  useEffect(() => {
    const container = place.current!;
    const draw = () => {
      plot.current?.destroy();
      const { clientWidth: width } = container;
      plot.current = new uPlot(optionsOf({ format, lines, logarithmic }, width), data as uPlot.AlignedData, container);
    };
    draw();
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: container.clientWidth, height: HEIGHT }));
    resized.observe(container);
    // A canvas does not follow the style sheet by itself.
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', draw);
    return () => {
      dark.removeEventListener('change', draw);
      resized.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, []);
  useEffect(() => plot.current?.setData(data as uPlot.AlignedData), [data]);
  const now = lines.map(({ label }, n) => `${label} ${latest(data[n + 1]!, format)}`).join(', ');
  return (
    <figure class="plot">
      <figcaption>
        <h3>{title}</h3>
        <ul class="legend">
          {lines.map(({ label, colour }, n) => (
            <li key={label} style={{ '--colour': `var(${colour})` }}>
              {label} <strong>{latest(data[n + 1]!, format)}</strong>
            </li>
          ))}
        </ul>
      </figcaption>
      <div ref={place} role="img" aria-label={`${title}, the last ten minutes; now ${now}`} />
    </figure>
  );
}

function latest(values: readonly (number | null)[], format: (value: number) => string): string {
  const value = values.findLast((each) => each !== null);
  return value === undefined || value === null ? '–' : format(value);
}

function optionsOf({ format, lines, logarithmic }: Pick<PlotProps, 'format' | 'lines' | 'logarithmic'>, width: number) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis = { stroke: colour('--quiet'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } };
  const options: uPlot.Options = {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
    scales: { y: logarithmic ? { distr: 3 } : { range: (_plot, _min, max) => [0, Math.max(max * 1.1, 1)] } },
    axes: [
      { ...axis, size: AXIS_HEIGHT, space: 90, values: (_plot, splits) => splits.map(timeText) },
      {
        ...axis,
        size: AXIS_WIDTH,
        ...(logarithmic && { filter: powersOfTen, grid: { ...axis.grid, filter: powersOfTen } }),
        values: (_plot, splits) => splits.map((value) => (value === null ? '' : format(value))),
      },
    ],
    series: [
      {},
      ...lines.map(({ label, colour: name, filled }): uPlot.Series => {
        const stroke = colour(name);
        return {
          label,
          stroke,
          width: 1.5,
          ...(filled && { fill: `${stroke}22` }),
          spanGaps: true,
          points: { show: false },
        };
      }),
    ],
  };
  return options;
}

function timeText(at: number): string {
  return new Date(at * 1_000).toLocaleTimeString('en-GB');
}

/** Of a logarithmic axis: lines and words at these alone. */
function powersOfTen(_plot: uPlot, splits: readonly number[]): (number | null)[] {
  return splits.map((value) => (/^1(?:e|0*$)|^0\.0*1$/.test(String(value)) ? value : null));
}
