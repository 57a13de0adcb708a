/** One look: what flows, how fast the gateway decides, what goes wrong, and how each pool fares. */
import { useComputed } from '@preact/signals';
import type { MetricsPage } from '../../client/metrics-page.ts';
import type { Point, PoolRate } from '../model/metrics-feed.ts';
import { fragmentOf } from '../model/place.ts';
import { ageText, bytesText, countText, rateText, secondsText } from '../model/words.ts';
import { Advice } from '../parts/advice.tsx';
import { useDesk } from '../parts/desk.ts';
import { Empty, Failure } from '../parts/empty.tsx';
import { Plot } from '../parts/plot.tsx';

export function Overview() {
  const { metrics } = useDesk();
  const page = metrics.page.value;
  if (page === null) return <p aria-busy="true">Looking at the gateway</p>;
  return (
    <>
      <Tiles page={page} point={metrics.points.value.at(-1)} />
      <Plots />
      <div class="columns">
        <Pools />
        <Causes />
      </div>
    </>
  );
}

function Tiles({ page, point }: { readonly page: MetricsPage; readonly point: Point | undefined }) {
  const sessions = page.sum('sallyport_sessions');
  const healthy = page.sum('sallyport_sessions', { state: 'eligible' });
  const all = (point?.served ?? 0) + (point?.failed ?? 0);
  const upSeconds = Date.now() / 1_000 - page.sum('process_start_time_seconds');
  const tiles: readonly (readonly [string, string, string])[] = [
    ['Requests', `${rateText(all)}/s`, `${countText(page.sum('sallyport_requests_total'))} since the start`],
    ['Failing', all === 0 ? '–' : `${rateText((100 * (point?.failed ?? 0)) / all)} %`, 'of the last two seconds'],
    ['Sessions healthy', countText(healthy), `of ${countText(sessions)}`],
    ['Resolve, p99', point?.resolveP99 == null ? '–' : secondsText(point.resolveP99), 'choosing a session'],
    [
      'Open now',
      countText(page.sum('sallyport_client_connections')),
      `clients, ${countText(page.sum('sallyport_tunnels_active'))} tunnels`,
    ],
    ['Memory', bytesText(page.sum('process_resident_memory_bytes')), `up ${ageText(upSeconds)}`],
  ];
  return (
    <dl class="tiles">
      {tiles.map(([name, value, more]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <strong>{value}</strong> <small>{more}</small>
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Plots() {
  const { metrics } = useDesk();
  const rates = useComputed(() => series(metrics.points.value, 'served', 'failed'));
  const latencies = useComputed(() => series(metrics.points.value, 'resolveMedian', 'resolveP99', 'overheadP99'));
  return (
    <div class="columns">
      <Plot
        title="Requests a second"
        format={rateText}
        lines={[
          { label: 'served', colour: '--good', filled: true },
          { label: 'failed', colour: '--bad' },
        ]}
        data={rates.value}
      />
      <Plot
        title="Time spent in the gateway"
        format={secondsText}
        lines={[
          { label: 'resolve p50', colour: '--accent' },
          { label: 'resolve p99', colour: '--second' },
          { label: 'overhead p99', colour: '--third' },
        ]}
        data={latencies.value}
        logarithmic
      />
    </div>
  );
}

type Data = [number[], ...(number | null)[][]];

function series(points: readonly Point[], ...names: readonly (keyof Point)[]): Data {
  return [points.map(({ at }) => at), ...names.map((name) => points.map((point) => point[name]))];
}

function Pools() {
  const { catalogue, metrics } = useDesk();
  const rates = new Map(metrics.pools.value.map((rate) => [rate.pool, rate]));
  const pools = catalogue.pools.value;
  return (
    <section aria-labelledby="pools">
      <h2 id="pools">Pools</h2>
      {catalogue.failure.value !== '' && (
        <Failure text={catalogue.failure.value} onRetry={() => void catalogue.reload()} />
      )}
      <table>
        <thead>
          <tr>
            <th scope="col">Pool</th>
            <th scope="col">Sessions</th>
            <th scope="col" class="number">
              Requests/s
            </th>
            <th scope="col" class="number">
              Failing/s
            </th>
          </tr>
        </thead>
        <tbody>
          {pools.map(({ name, enabled }) => (
            <tr key={name}>
              <th scope="row">
                <a href={fragmentOf('sessions', { pool: name })}>{name}</a>
                {!enabled && <span class="badge off">disabled</span>}
              </th>
              <td>
                <HealthBar rate={rates.get(name)} />
              </td>
              <td class="number">{rateText(rates.get(name)?.perSecond ?? 0)}</td>
              <td class="number">{rateText(rates.get(name)?.failedPerSecond ?? 0)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function HealthBar({ rate }: { readonly rate: PoolRate | undefined }) {
  const { healthy = 0, ejected = 0, other = 0 } = rate ?? {};
  const all = healthy + ejected + other;
  if (all === 0) return <span class="quiet">none</span>;
  const parts = [
    ['good', healthy, 'healthy'],
    ['bad', ejected, 'ejected'],
    ['off', other, 'not in service'],
  ] as const;
  const text = parts.filter(([, count]) => count > 0).map(([, count, word]) => `${countText(count)} ${word}`);
  return (
    <div class="health-bar">
      <div aria-hidden="true">
        {parts.map(([tone, count]) => (
          <i key={tone} class={tone} style={{ width: `${(100 * count) / all}%` }} />
        ))}
      </div>
      <small>{text.join(', ')}</small>
    </div>
  );
}

function Causes() {
  const causes = useDesk().metrics.causes.value;
  return (
    <section aria-labelledby="causes">
      <h2 id="causes">What went wrong in the last minute</h2>
      {causes.length === 0 ? (
        <Empty title="Nothing." />
      ) : (
        <ul class="causes">
          {causes.map(({ cause, count }) => (
            <li key={cause}>
              <details>
                <summary>
                  <a href={fragmentOf('tail', { cause })}>{cause}</a> <span class="quiet">{countText(count)} ×</span>
                </summary>
                <Advice cause={cause} />
              </details>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
