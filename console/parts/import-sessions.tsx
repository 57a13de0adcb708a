/** A whole list: read here first, to show what is in it, then sent in batches. */
import { useEffect, useRef, useState } from 'preact/hooks';
import {
  type ImportCounts,
  type ImportOutcome,
  type ImportSink,
  importSessions,
} from '../../client/session-list/import-sessions.ts';
import { messageOf } from '../model/link.ts';
import { countOf, countText } from '../model/words.ts';
import type { ChangeDialogProps } from './add-session.tsx';
import { useDesk } from './desk.ts';
import { Dialog } from './dialog.tsx';
import { Failure } from './empty.tsx';
import { ProviderField, useProvider } from './provider-field.tsx';

interface Refused {
  readonly number: number;
  readonly why: string;
}

interface Look {
  readonly outcome: ImportOutcome;
  readonly refused: readonly Refused[];
  /** Whether anything was created, or it was only read. */
  readonly isDone: boolean;
}

/** Refused lines that are shown. */
const MOST_SHOWN = 200;
const PIECE = 65_536;

export function ImportSessions({ pool, onClose, onChanged }: ChangeDialogProps) {
  const desk = useDesk();
  const [provider, chooseProvider] = useProvider(pool);
  const [source, setSource] = useState<Blob>(new Blob([]));
  const [look, setLook] = useState<Look | null>(null);
  const [progress, setProgress] = useState<number | null>(null);
  const [failure, setFailure] = useState('');
  // What goes on with the list: only the last of it counts, and none of it once the dialog is closed.
  const work = useRef(new AbortController());
  const begin = () => {
    work.current.abort();
    work.current = new AbortController();
    return work.current.signal;
  };
  useEffect(() => () => work.current.abort(), []);
  const read = async (list: Blob) => {
    const stop = begin();
    setSource(list);
    setFailure('');
    const create = async (sessions: readonly unknown[]) => ({ createdCount: sessions.length });
    try {
      const [outcome, refused] = await run(list, { create, progress: () => undefined }, stop);
      if (!stop.aborted) setLook({ outcome, refused, isDone: false });
    } catch (error) {
      if (!stop.aborted) setFailure(messageOf(error));
    }
  };
  const send = async () => {
    if (provider === undefined) return;
    const { link, workspaceId } = desk;
    const of = { workspaceId, poolId: pool.id, providerId: provider.id };
    const stop = begin();
    setProgress(0);
    try {
      const [outcome, refused] = await run(
        source,
        {
          create: (sessions) => link.proxies.bulkCreateSessions({ ...of, sessions }),
          progress: (counts) => setProgress(sumOf(counts)),
        },
        stop,
      );
      setLook({ outcome, refused, isDone: true });
    } catch (error) {
      setFailure(`${messageOf(error)} What was created stays; to import again makes nothing twice.`);
    }
    setProgress(null);
    onChanged();
  };
  const total = look === null ? 0 : sumOf(look.outcome);
  return (
    <Dialog title={`Import sessions into ${pool.name}`} onClose={onClose}>
      {look?.isDone !== true && (
        <>
          <ProviderField provider={provider} onChoose={chooseProvider} />
          <ListFields onRead={(list) => void read(list)} />
        </>
      )}
      {look !== null && <Outcome {...look} />}
      {failure !== '' && <Failure text={failure} />}
      {progress !== null && <progress value={progress} max={total} aria-label="Importing" />}
      <footer>
        <button type="button" class="secondary" onClick={onClose}>
          {look?.isDone ? 'Close' : 'Cancel'}
        </button>
        {look?.isDone !== true && (
          <button
            type="button"
            disabled={look === null || look.outcome.created === 0 || progress !== null}
            aria-busy={progress !== null}
            onClick={() => void send()}
          >
            {look === null ? 'Import' : `Import ${countOf(look.outcome.created, 'session')}`}
          </button>
        )}
      </footer>
    </Dialog>
  );
}

function ListFields({ onRead }: { readonly onRead: (list: Blob) => void }) {
  return (
    <>
      <label>
        A file
        <input
          type="file"
          onChange={({ currentTarget: { files } }) => {
            if (files?.[0] !== undefined) onRead(files[0]);
          }}
        />
      </label>
      <label>
        or lines
        <textarea
          rows={6}
          spellcheck={false}
          placeholder={'203.0.113.7:8080:user:password\nsocks5://user:password@203.0.113.8:1080'}
          onInput={(event) => onRead(new Blob([event.currentTarget.value]))}
        />
        <small>
          host:port:user:password and its kin, URLs, CSV with a header, cache_peer lines of Squid, JSON of Scrapoxy and
          of Bright Data’s Proxy Manager.
        </small>
      </label>
    </>
  );
}

function Outcome({ outcome, refused, isDone }: Look) {
  const { created, existing, repeated, unknownColumns } = outcome;
  const parts = [
    isDone ? `${countOf(created, 'session')} created` : countOf(created, 'session'),
    existing > 0 && `${countText(existing)} there already`,
    repeated > 0 && `${countText(repeated)} twice in the list`,
    outcome.refused > 0 && `${countOf(outcome.refused, 'line')} refused`,
  ].filter((part) => part !== false);
  return (
    <div role="status">
      <p>
        <strong>{parts.join(', ')}.</strong>
        {unknownColumns.length > 0 && ` Columns that mean nothing here: ${unknownColumns.join(', ')}.`}
      </p>
      {refused.length > 0 && (
        <ul class="refused">
          {refused.slice(0, MOST_SHOWN).map(({ number, why }) => (
            <li key={number}>
              Line {countText(number)}: {why}
            </li>
          ))}
          {outcome.refused > MOST_SHOWN && <li>… and {countText(outcome.refused - MOST_SHOWN)} more</li>}
        </ul>
      )}
    </div>
  );
}

function sumOf({ created, existing, repeated, refused }: ImportCounts): number {
  return created + existing + repeated + refused;
}

async function run(list: Blob, service: Pick<ImportSink, 'create' | 'progress'>, stop: AbortSignal) {
  const refused: Refused[] = [];
  const sink: ImportSink = {
    ...service,
    refused: (number, why) => {
      if (refused.length < MOST_SHOWN) refused.push({ number, why });
    },
  };
  const outcome = await importSessions({ text: textOf(list), scheme: 'http', labels: {}, stop }, sink);
  return [outcome, refused] as const;
}

/** Its text, piece by piece. */
async function* textOf(list: Blob): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  for (let from = 0; from < list.size; from += PIECE) {
    yield decoder.decode(await list.slice(from, from + PIECE).arrayBuffer(), { stream: true });
  }
  yield decoder.decode();
}
