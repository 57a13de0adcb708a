/** What can be done to the sessions that were marked: enable, disable, delete, with a bar for many. */
import { useState } from 'preact/hooks';
import { messageOf } from '../model/link.ts';
import type { PoolSessions, Row } from '../model/pool-sessions.ts';
import { countOf } from '../model/words.ts';
import { type Desk, useDesk } from './desk.ts';
import { Confirm } from './dialog.tsx';

type Deed = 'enable' | 'disable' | 'delete';

/** Calls under way at once. */
const TOGETHER = 4;

export function MarkedActions({ sessions }: { readonly sessions: PoolSessions }) {
  const desk = useDesk();
  const [isAsking, setAsking] = useState(false);
  const [progress, setProgress] = useState<{ readonly done: number; readonly all: number } | null>(null);
  const marked = sessions.marked.value;
  if (progress !== null) {
    return <progress value={progress.done} max={progress.all} aria-label="Changing the marked sessions" />;
  }
  if (marked.size === 0) return null;
  const rows = sessions.rows.value.filter(({ id }) => marked.has(id));
  const act = async (deed: Deed) => {
    setProgress({ done: 0, all: rows.length });
    await actOnAll(desk, sessions, rows, deed, (done) => setProgress({ done, all: rows.length }));
    setProgress(null);
  };
  return (
    <>
      <span>{countOf(marked.size, 'session')} marked:</span>
      <button type="button" class="small secondary" onClick={() => void act('enable')}>
        Enable
      </button>
      <button type="button" class="small secondary" onClick={() => void act('disable')}>
        Disable
      </button>
      <button type="button" class="small danger" onClick={() => setAsking(true)}>
        Delete…
      </button>
      {isAsking && (
        <Confirm
          title={`Delete ${countOf(rows.length, 'session')}?`}
          verb="Delete"
          onClose={() => setAsking(false)}
          onConfirm={() => void act('delete')}
        >
          <p>Their tunnels are cut and their passwords erased. This cannot be taken back.</p>
        </Confirm>
      )}
    </>
  );
}

async function actOnAll(
  { link, workspaceId, tell }: Desk,
  sessions: PoolSessions,
  rows: readonly Row[],
  deed: Deed,
  progress: (done: number) => void,
): Promise<void> {
  const left = rows.values();
  let done = 0;
  let failure = '';
  const work = async () => {
    for (const { id, session } of left) {
      const sessionId = session.id;
      try {
        if (deed === 'delete') {
          await link.proxies.deleteSession({ workspaceId, sessionId });
          sessions.remove(id);
        } else {
          await link.proxies.updateSession({ workspaceId, sessionId, enabled: deed === 'enable' });
        }
        done++;
      } catch (error) {
        failure = messageOf(error);
      }
      progress(done);
    }
  };
  await Promise.all(Array.from({ length: TOGETHER }, work));
  await sessions.reload();
  const was = `${countOf(done, 'session')} ${deed}d.`;
  tell(failure === '' ? was : `${was} ${countOf(rows.length - done, 'session')} not: ${failure}`, failure !== '');
}
