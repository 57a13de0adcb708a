/** One session whole: how it fares, what to do about its last failure, and what can be done to it. */
import { useState } from 'preact/hooks';
import { usernameFor } from '../../client/session-username.ts';
import type { Pool, Session } from '../../control/gen/proxies/v1/proxies_pb.ts';
import { messageOf } from '../model/link.ts';
import { fragmentOf } from '../model/place.ts';
import { endpointOf, type PoolSessions } from '../model/pool-sessions.ts';
import { bytesText, countText, momentText, secondsOf, secondsText } from '../model/words.ts';
import { Advice } from './advice.tsx';
import { CopyButton } from './copy-button.tsx';
import { useDesk } from './desk.ts';
import { Confirm, Dialog } from './dialog.tsx';
import { Failure } from './empty.tsx';
import { HealthBadge } from './health.tsx';

export interface SessionDetailProps {
  readonly id: string;
  readonly pool: Pool;
  readonly sessions: PoolSessions;
  readonly onClose: () => void;
}

export function SessionDetail({ id, pool, sessions, onClose }: SessionDetailProps) {
  const session = sessions.rows.value.find((row) => row.id === id)?.session;
  if (session === undefined) {
    return (
      <Dialog title="The session is gone" onClose={onClose}>
        <p>Somebody has deleted it meanwhile.</p>
      </Dialog>
    );
  }
  const username = usernameFor(pool.name, session.token);
  return (
    <Dialog title={session.token} onClose={onClose}>
      <Facts session={session} id={id} sessions={sessions} />
      <p>
        <a href={fragmentOf('tail', { pool: pool.name, session: id })}>Its requests, live</a> ·{' '}
        {username !== null && (
          <>
            <a href={fragmentOf('explain', { username })}>Explain it</a> ·{' '}
          </>
        )}
        <CopyButton text={id} label="Copy its id" />
      </p>
      <Deeds session={session} id={id} sessions={sessions} onClose={onClose} />
    </Dialog>
  );
}

function Facts({ session, id, sessions }: Pick<SessionDetailProps, 'id' | 'sessions'> & { readonly session: Session }) {
  const state = sessions.states.value.get(id);
  const labels = Object.entries(session.labels).map(([key, value]) => `${key}=${value}`);
  const rows: readonly (readonly [string, string])[] = [
    ['Upstream', `${session.scheme ?? ''} ${endpointOf(session)}`.trim()],
    ['Username', session.username ?? ''],
    ['Labels', labels.join(', ')],
    ['Dial, smoothed', secondsText(secondsOf(state?.latency))],
    ['Under way', countText(state?.inflight ?? 0)],
    ['Since the start', `${bytesText(state?.bytesOut ?? 0n)} up, ${bytesText(state?.bytesIn ?? 0n)} down`],
    ['Left out until', momentText(state?.ejectedUntil)],
    ['Last changed', momentText(session.updatedAt)],
    ['Id', id],
  ];
  return (
    <>
      <p>
        <HealthBadge health={sessions.healthOf(id)} />
        {state?.lastCause !== undefined && (
          <>
            {' '}
            last failure: <code>{state.lastCause}</code>
          </>
        )}
      </p>
      {state?.lastCause !== undefined && <Advice cause={state.lastCause} />}
      <dl class="facts">
        {rows
          .filter(([, value]) => value !== '' && value !== '–')
          .map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
    </>
  );
}

function Deeds({ session, id, sessions, onClose }: Omit<SessionDetailProps, 'pool'> & { readonly session: Session }) {
  const desk = useDesk();
  const [asking, setAsking] = useState<'credentials' | 'delete' | null>(null);
  const [failure, setFailure] = useState('');
  const of = { workspaceId: desk.workspaceId, sessionId: session.id };
  /** Says what was done, or why it was not. */
  const attempt = async (done: string, call: () => Promise<void>) => {
    setFailure('');
    try {
      await call();
      desk.tell(done);
    } catch (error) {
      setFailure(messageOf(error));
    }
  };
  const update = (done: string, change: { enabled?: boolean; username?: string; password?: string }) =>
    attempt(done, async () => {
      const { session: changed } = await desk.link.proxies.updateSession({ ...of, ...change });
      sessions.replace(changed!);
      setAsking(null);
    });
  const remove = () =>
    attempt(`${session.token} is deleted.`, async () => {
      await desk.link.proxies.deleteSession(of);
      onClose();
      sessions.remove(id);
    });
  const { enabled, token } = session;
  return (
    <>
      {failure !== '' && <Failure text={failure} />}
      {asking === 'credentials' && (
        <Credentials session={session} onGiven={(given) => void update(`${token} has new credentials.`, given)} />
      )}
      <footer>
        <button type="button" class="danger" onClick={() => setAsking('delete')}>
          Delete…
        </button>
        {session.host !== undefined && session.port !== undefined && (
          <button type="button" class="secondary" onClick={() => setAsking('credentials')}>
            New credentials
          </button>
        )}
        <button
          type="button"
          onClick={() => void update(`${token} is ${enabled ? 'disabled' : 'enabled'}.`, { enabled: !enabled })}
        >
          {enabled ? 'Disable' : 'Enable'}
        </button>
      </footer>
      {asking === 'delete' && (
        <Confirm
          title={`Delete ${token}?`}
          verb="Delete"
          onClose={() => setAsking(null)}
          onConfirm={() => void remove()}
        >
          <p>Its tunnels are cut within a second and its password is erased. This cannot be taken back.</p>
        </Confirm>
      )}
    </>
  );
}

interface CredentialsProps {
  readonly session: Session;
  readonly onGiven: (given: { readonly username: string; readonly password: string }) => void;
}

/** What is given replaces what is stored; live tunnels end as the pool says. */
function Credentials({ session, onGiven }: CredentialsProps) {
  const [username, setUsername] = useState(session.username ?? '');
  const [password, setPassword] = useState('');
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    onGiven({ username, password });
  };
  return (
    <form class="fields" onSubmit={submit} autocomplete="off">
      <label class="grows">
        Username
        <input
          value={username}
          required
          spellcheck={false}
          onInput={(event) => setUsername(event.currentTarget.value)}
        />
      </label>
      <label class="grows">
        New password
        <input
          type="password"
          value={password}
          required
          autocomplete="new-password"
          onInput={(event) => setPassword(event.currentTarget.value)}
        />
      </label>
      <button type="submit">Give</button>
    </form>
  );
}
