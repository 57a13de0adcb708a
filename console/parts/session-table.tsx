/** The table of a pool's sessions: as long as the pool, drawn as far as it is seen. */
import { useEffect, useRef } from 'preact/hooks';
import type { SessionState } from '../../control/gen/proxies/v1/proxies_pb.ts';
import { endpointOf, type PoolSessions, type Row, type SortKey } from '../model/pool-sessions.ts';
import { bytesText, countText, secondsOf, secondsText } from '../model/words.ts';
import { HealthBadge } from './health.tsx';
import { Scroller } from './scroller.tsx';
import { useVisibleRows } from './visible-rows.ts';

export interface SessionTableProps {
  readonly sessions: PoolSessions;
  readonly onOpen: (row: Row) => void;
}

/** Pixels; the style sheet says the same. */
const ROW = 38;

const COLUMNS: readonly (readonly [SortKey, string, string])[] = [
  ['token', 'Token', 'token'],
  ['endpoint', 'Upstream', 'endpoint'],
  ['health', 'Health', 'health'],
  ['latency', 'Dial', 'number short'],
  ['inflight', 'Open', 'number short'],
  ['traffic', 'Traffic', 'number'],
];

export function SessionTable({ sessions, onOpen }: SessionTableProps) {
  const scroller = useRef<HTMLElement>(null);
  const rows = sessions.shown.value;
  const { first, last, above, below } = useVisibleRows(scroller, rows.length, ROW);
  const drawn = rows.slice(first, last + 1);
  useEffect(() => sessions.see(drawn));
  const marked = sessions.marked.value;
  const states = sessions.states.value;
  return (
    <Scroller element={scroller} class="sessions" label="Sessions">
      <table class="dense" aria-rowcount={rows.length + 1}>
        <Head sessions={sessions} rows={rows} />
        <tbody>
          {above > 0 && <Space height={above} />}
          {drawn.map((row, n) => (
            <SessionRow
              key={row.id}
              row={row}
              position={first + n + 2}
              state={states.get(row.id)}
              isMarked={marked.has(row.id)}
              sessions={sessions}
              onOpen={onOpen}
            />
          ))}
          {below > 0 && <Space height={below} />}
        </tbody>
      </table>
    </Scroller>
  );
}

function Space({ height }: { readonly height: number }) {
  return (
    // biome-ignore lint/a11y/noAriaHiddenOnFocusable: nothing in it takes the focus
    <tr aria-hidden="true" class="space">
      <td colSpan={COLUMNS.length + 2} style={{ height: `${height}px` }} />
    </tr>
  );
}

function Head({ sessions, rows }: { readonly sessions: PoolSessions; readonly rows: readonly Row[] }) {
  const { key, descending } = sessions.sort.value;
  const marked = sessions.marked.value;
  const isAllMarked = rows.every(({ id }) => marked.has(id));
  return (
    <thead>
      <tr>
        <th scope="col" class="mark">
          <input
            type="checkbox"
            aria-label="Mark all that are shown"
            checked={isAllMarked}
            onChange={() => {
              sessions.marked.value = isAllMarked ? new Set() : new Set(rows.map(({ id }) => id));
            }}
          />
        </th>
        {COLUMNS.map(([name, title, className]) => (
          <th
            key={name}
            scope="col"
            class={className}
            aria-sort={name === key ? (descending ? 'descending' : 'ascending') : undefined}
          >
            <button
              type="button"
              class="sort"
              onClick={() => {
                sessions.sort.value = { key: name, descending: name === key && !descending };
              }}
            >
              {title}
            </button>
          </th>
        ))}
        <th scope="col" class="cause">
          Last failure
        </th>
      </tr>
    </thead>
  );
}

interface SessionRowProps {
  readonly row: Row;
  /** Of the whole table, its head included, from 1. */
  readonly position: number;
  readonly state: SessionState | undefined;
  readonly isMarked: boolean;
  readonly sessions: PoolSessions;
  readonly onOpen: (row: Row) => void;
}

function SessionRow({ row, position, state, isMarked, sessions, onOpen }: SessionRowProps) {
  const { session, id } = row;
  const mark = () => {
    const others = new Set(sessions.marked.value);
    if (!others.delete(id)) others.add(id);
    sessions.marked.value = others;
  };
  return (
    <tr aria-rowindex={position}>
      <td class="mark">
        <input type="checkbox" aria-label={`Mark ${session.token}`} checked={isMarked} onChange={mark} />
      </td>
      <th scope="row" class="token">
        <button type="button" class="link" title={session.token} onClick={() => onOpen(row)}>
          {session.token}
        </button>
      </th>
      <td class="endpoint" title={endpointOf(session)}>
        {session.scheme !== undefined && <small>{session.scheme}</small>} {endpointOf(session)}
      </td>
      <td class="health">
        <HealthBadge health={sessions.healthOf(id)} />
      </td>
      <td class="number short">{secondsText(secondsOf(state?.latency))}</td>
      <td class="number short">{countText(state?.inflight ?? 0)}</td>
      <td class="number">{bytesText((state?.bytesIn ?? 0n) + (state?.bytesOut ?? 0n))}</td>
      <td class="cause">{state?.lastCause ?? ''}</td>
    </tr>
  );
}
