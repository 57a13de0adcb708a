/** Requests as they finish, with filters; the newest are on top. */
import { useEffect, useState } from 'preact/hooks';
import type { RequestRecord } from '../../control/gen/proxies/v1/proxies_pb.ts';
import { CAUSES } from '../../src/core/cause.ts';
import { idOf, uuidOf } from '../model/ids.ts';
import { fragmentOf } from '../model/place.ts';
import { TailFeed } from '../model/tail-feed.ts';
import { authorityText, bytesText, clockText, countText, secondsOf, secondsText } from '../model/words.ts';
import { Advice } from '../parts/advice.tsx';
import { type Desk, useDesk } from '../parts/desk.ts';
import { Dialog } from '../parts/dialog.tsx';
import { Empty, Failure } from '../parts/empty.tsx';
import { Scroller } from '../parts/scroller.tsx';

export function Tail({ params }: { readonly params: URLSearchParams }) {
  const { catalogue } = useDesk();
  // A pool is named in the address, and found once the pools are there.
  const isKnown = catalogue.loaded.value || (params.get('pool') ?? '') === '';
  return (
    <>
      <Filters params={params} />
      {isKnown ? <Records params={params} /> : <p aria-busy="true">Looking for the pool</p>}
    </>
  );
}

function Filters({ params }: { readonly params: URLSearchParams }) {
  const { catalogue } = useDesk();
  const go = (name: string, value: string) => {
    location.hash = fragmentOf('tail', { ...Object.fromEntries(params), [name]: value });
  };
  return (
    <form class="toolbar" onSubmit={(event) => event.preventDefault()}>
      <label>
        Pool
        <select value={params.get('pool') ?? ''} onChange={(event) => go('pool', event.currentTarget.value)}>
          <option value="">all</option>
          {catalogue.pools.value.map(({ name }) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <label>
        Ended with
        <select value={params.get('cause') ?? ''} onChange={(event) => go('cause', event.currentTarget.value)}>
          <option value="">anything</option>
          {['ok', ...Object.keys(CAUSES)].map((cause) => (
            <option key={cause}>{cause}</option>
          ))}
        </select>
      </label>
      <label>
        Account
        <input
          type="search"
          value={params.get('account') ?? ''}
          placeholder="any"
          onChange={(event) => go('account', event.currentTarget.value.trim())}
        />
      </label>
      {params.has('session') && (
        <button type="button" class="small secondary" onClick={() => go('session', '')}>
          Of one session ✕
        </button>
      )}
    </form>
  );
}

function feedOf({ link, workspaceId, catalogue }: Desk, params: URLSearchParams): TailFeed {
  const pool = catalogue.pools.value.find(({ name }) => name === params.get('pool'));
  const session = params.get('session') ?? '';
  const account = params.get('account') ?? '';
  const cause = params.get('cause') ?? '';
  return new TailFeed(link, workspaceId, {
    ...(pool !== undefined && { poolId: Uint8Array.from(pool.id) }),
    ...(session !== '' && { sessionId: idOf(session) }),
    ...(account !== '' && { accountName: account }),
    ...(cause !== '' && { cause }),
  });
}

function Records({ params }: { readonly params: URLSearchParams }) {
  const desk = useDesk();
  const [feed] = useState(() => feedOf(desk, params));
  const [opened, setOpened] = useState<RequestRecord | null>(null);
  useEffect(() => {
    void feed.open();
    return () => feed.close();
  }, [feed]);
  const records = feed.records.value;
  const isPaused = feed.paused.value;
  return (
    <>
      <div class="toolbar">
        <button type="button" class="small" onClick={() => (isPaused ? feed.resume() : feed.pause())}>
          {isPaused ? `Go on (${countText(feed.waiting.value)} came)` : 'Pause'}
        </button>
        <button type="button" class="small secondary" onClick={() => feed.clear()}>
          Clear
        </button>
        {feed.missed.value && <span class="bad">Some went by unseen: they came faster than they were read.</span>}
      </div>
      {feed.failure.value !== '' && <Failure text={feed.failure.value} />}
      {records.length === 0 ? (
        <Empty title="No request has finished since you came here.">
          <p>They appear as they end. A filter above may keep them out.</p>
        </Empty>
      ) : (
        <RecordTable records={records} onOpen={setOpened} />
      )}
      {opened !== null && <RecordDialog record={opened} onClose={() => setOpened(null)} />}
    </>
  );
}

interface RecordTableProps {
  readonly records: readonly RequestRecord[];
  readonly onOpen: (record: RequestRecord) => void;
}

function RecordTable({ records, onOpen }: RecordTableProps) {
  return (
    <Scroller label="Requests, newest first">
      <table class="dense">
        <thead>
          <tr>
            <th scope="col">Time</th>
            <th scope="col">Ended with</th>
            <th scope="col">Target</th>
            <th scope="col">Kind</th>
            <th scope="col" class="number">
              Took
            </th>
            <th scope="col" class="number">
              Up
            </th>
            <th scope="col" class="number">
              Down
            </th>
            <th scope="col">Account</th>
          </tr>
        </thead>
        <tbody>
          {records.map((record) => (
            <tr key={record.requestId}>
              <td>
                <button type="button" class="link" onClick={() => onOpen(record)}>
                  {clockText(record.startedAt)}
                </button>
              </td>
              <td>
                <span class={`badge ${record.cause === 'ok' ? 'good' : 'bad'}`}>{record.cause}</span>{' '}
                {record.attempts.length > 1 && <small>after {record.attempts.length} attempts</small>}
              </td>
              <td class="breaks">{authorityText(record.targetHost, record.targetPort)}</td>
              <td>{record.kind}</td>
              <td class="number">{secondsText(secondsOf(record.duration))}</td>
              <td class="number">{bytesText(record.bytesOut)}</td>
              <td class="number">{bytesText(record.bytesIn)}</td>
              <td>{record.accountName ?? ''}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroller>
  );
}

function RecordDialog({ record, onClose }: { readonly record: RequestRecord; readonly onClose: () => void }) {
  const { cause, status, stage, attempts } = record;
  const rows: readonly (readonly [string, string])[] = [
    ['Status', status === 0 ? 'none' : String(status)],
    ['Got as far as', stage],
    ['Client', `${record.clientAddress}, known by ${record.identifiedBy}`],
    ['Choosing a session', secondsText(secondsOf(record.resolve))],
    ['Dialling', secondsText(secondsOf(record.dial))],
    ['First byte after', secondsText(secondsOf(record.firstByte))],
    ['Ended after', secondsText(secondsOf(record.duration))],
  ];
  return (
    <Dialog title={`Request ${record.requestId}`} onClose={onClose}>
      <p>
        <span class={`badge ${cause === 'ok' ? 'good' : 'bad'}`}>{cause}</span>{' '}
        {authorityText(record.targetHost, record.targetPort)}
      </p>
      {cause !== 'ok' && <Advice cause={cause} />}
      <dl class="facts">
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <h3>Attempts</h3>
      {attempts.length === 0 ? (
        <p class="quiet">None: no session was asked.</p>
      ) : (
        <ol>
          {attempts.map((attempt) => (
            <li key={uuidOf(attempt.sessionId)}>
              <code>{uuidOf(attempt.sessionId)}</code> {attempt.cause}, {secondsText(secondsOf(attempt.duration))}
            </li>
          ))}
        </ol>
      )}
    </Dialog>
  );
}
