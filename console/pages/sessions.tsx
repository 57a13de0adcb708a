/** The sessions of one pool: found, judged, added, changed. */
import { useEffect, useState } from 'preact/hooks';
import type { Pool, SessionHealth } from '../../control/gen/proxies/v1/proxies_pb.ts';
import { fragmentOf } from '../model/place.ts';
import { PoolSessions, type Row } from '../model/pool-sessions.ts';
import { countOf, countText } from '../model/words.ts';
import { AddSession } from '../parts/add-session.tsx';
import { useDesk } from '../parts/desk.ts';
import { Empty, Failure } from '../parts/empty.tsx';
import { HEALTHS, healthWord } from '../parts/health.tsx';
import { ImportSessions } from '../parts/import-sessions.tsx';
import { MarkedActions } from '../parts/marked-actions.tsx';
import { SessionDetail } from '../parts/session-detail.tsx';
import { SessionTable } from '../parts/session-table.tsx';

export function Sessions({ pool: name }: { readonly pool: string }) {
  const { catalogue } = useDesk();
  const pools = catalogue.pools.value;
  if (catalogue.failure.value !== '') {
    return <Failure text={catalogue.failure.value} onRetry={() => void catalogue.reload()} />;
  }
  if (!catalogue.loaded.value) return <p aria-busy="true">Loading pools</p>;
  const pool =
    name === ''
      ? (pools.find((each) => each.name === 'default') ?? pools[0])
      : pools.find((each) => each.name === name);
  if (pool !== undefined) return <PoolPage key={pool.id.join()} pool={pool} />;
  return (
    <>
      <div class="toolbar">
        <PoolField chosen={name} />
      </div>
      <Empty title={name === '' ? 'There is no pool.' : `There is no pool ${name}.`}>
        <p>
          Make one: <code>sallyport pool create NAME</code>
        </p>
      </Empty>
    </>
  );
}

function PoolField({ chosen }: { readonly chosen: string }) {
  const pools = useDesk().catalogue.pools.value;
  const isThere = pools.some(({ name }) => name === chosen);
  return (
    <label>
      Pool
      <select
        value={chosen}
        onChange={(event) => {
          location.hash = fragmentOf('sessions', { pool: event.currentTarget.value });
        }}
      >
        {!isThere && <option>{chosen}</option>}
        {pools.map(({ name }) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  );
}

type Opened = 'add' | 'import' | Row | null;

function PoolPage({ pool }: { readonly pool: Pool }) {
  const desk = useDesk();
  const [sessions] = useState(() => new PoolSessions(desk.link, desk.workspaceId, Uint8Array.from(pool.id)));
  const [opened, setOpened] = useState<Opened>(null);
  useEffect(() => {
    sessions.open();
    return () => sessions.close();
  }, [sessions]);
  const close = () => setOpened(null);
  const changed = () => void sessions.reload();
  return (
    <>
      <Toolbar pool={pool} sessions={sessions} onOpen={setOpened} />
      {sessions.failure.value !== '' && <Failure text={sessions.failure.value} onRetry={changed} />}
      <List pool={pool} sessions={sessions} onOpen={setOpened} />
      {opened === 'add' && <AddSession pool={pool} onClose={close} onChanged={changed} />}
      {opened === 'import' && <ImportSessions pool={pool} onClose={close} onChanged={changed} />}
      {opened !== null && typeof opened !== 'string' && (
        <SessionDetail id={opened.id} pool={pool} sessions={sessions} onClose={close} />
      )}
    </>
  );
}

interface ListProps {
  readonly pool: Pool;
  readonly sessions: PoolSessions;
  readonly onOpen: (opened: Opened) => void;
}

function List({ pool, sessions, onOpen }: ListProps) {
  const loading = sessions.loading.value;
  if (loading !== null && sessions.rows.value.length === 0) {
    return sessions.failure.value === '' ? (
      <p aria-busy="true">{loading === 0 ? 'Loading sessions' : `Loading sessions: ${countText(loading)}`}</p>
    ) : null;
  }
  if (sessions.rows.value.length === 0) {
    return (
      <Empty title={`The pool ${pool.name} has no session yet.`}>
        <p>A session is one upstream proxy that requests leave through.</p>
        <button type="button" onClick={() => onOpen('add')}>
          Add a session
        </button>{' '}
        <button type="button" class="secondary" onClick={() => onOpen('import')}>
          Import a list
        </button>
      </Empty>
    );
  }
  if (sessions.shown.value.length === 0) {
    return (
      <Empty title="No session is like that.">
        <button
          type="button"
          class="secondary"
          onClick={() => {
            sessions.search.value = '';
            sessions.health.value = null;
          }}
        >
          Show all
        </button>
      </Empty>
    );
  }
  return <SessionTable sessions={sessions} onOpen={onOpen} />;
}

function Toolbar({ pool, sessions, onOpen }: ListProps) {
  const counts = sessions.counts.value;
  const all = sessions.rows.value.length;
  const shown = sessions.shown.value.length;
  return (
    <div class="toolbar">
      <PoolField chosen={pool.name} />
      <label class="grows">
        Search
        <input
          type="search"
          placeholder="token, host, user, label"
          value={sessions.search.value}
          onInput={(event) => {
            sessions.search.value = event.currentTarget.value;
          }}
        />
      </label>
      <label>
        Health
        <select
          value={String(sessions.health.value ?? '')}
          onChange={({ currentTarget: { value } }) => {
            sessions.health.value = value === '' ? null : (Number(value) as SessionHealth);
          }}
        >
          <option value="">any ({countText(all)})</option>
          {HEALTHS.map((health) => (
            <option key={health} value={String(health)}>
              {healthWord(health)} ({countText(counts.get(health)?.length ?? 0)})
            </option>
          ))}
        </select>
      </label>
      <span class="quiet" role="status">
        {shown === all ? countOf(all, 'session') : `${countText(shown)} of ${countOf(all, 'session')}`}
      </span>
      <MarkedActions sessions={sessions} />
      <span class="pushes" />
      <button type="button" class="secondary" onClick={() => onOpen('import')}>
        Import
      </button>
      <button type="button" onClick={() => onOpen('add')}>
        Add
      </button>
    </div>
  );
}
