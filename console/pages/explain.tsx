/** Which session a request would get, and why; nothing is sent anywhere. */
import { useState } from 'preact/hooks';
import type { ResolveSessionResponse, Session } from '../../control/gen/proxies/v1/proxies_pb.ts';
import { uuidOf } from '../model/ids.ts';
import { messageOf } from '../model/link.ts';
import { endpointOf } from '../model/pool-sessions.ts';
import { countText } from '../model/words.ts';
import { Advice } from '../parts/advice.tsx';
import { type Desk, useDesk } from '../parts/desk.ts';
import { Failure } from '../parts/empty.tsx';

interface Answer {
  readonly resolved: ResolveSessionResponse;
  /** Those that it names. */
  readonly sessions: readonly Session[];
}

export function Explain({ username }: { readonly username: string }) {
  const desk = useDesk();
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [failure, setFailure] = useState('');
  const [isAsking, setAsking] = useState(false);
  const ask = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    setAsking(true);
    try {
      setAnswer(await askFor(desk, String(form.get('username')), String(form.get('target'))));
      setFailure('');
    } catch (error) {
      setAnswer(null);
      setFailure(messageOf(error));
    }
    setAsking(false);
  };
  return (
    <>
      <p>
        Type the username that a client sends to the gateway, and where it wants to go. You see which session would
        serve it, and why the others would not. Nothing is sent anywhere.
      </p>
      <form class="toolbar" onSubmit={(event) => void ask(event)}>
        <label class="grows">
          Username
          <input
            name="username"
            required
            defaultValue={username}
            placeholder="default-session-anna"
            spellcheck={false}
          />
        </label>
        <label class="grows">
          Target
          <input name="target" required defaultValue="example.com:443" spellcheck={false} />
        </label>
        <button type="submit" aria-busy={isAsking}>
          Explain
        </button>
      </form>
      <div aria-live="polite">
        {failure !== '' && <Failure text={failure} />}
        {answer !== null && <Explanation {...answer} />}
      </div>
    </>
  );
}

async function askFor({ link, workspaceId }: Desk, username: string, target: string): Promise<Answer> {
  const place = URL.parse(target.includes('://') ? target : `https://${target}`);
  if (place === null || place.hostname === '') throw new Error('the target must be host:port, such as example.com:443');
  const targetPort = place.port === '' ? (place.protocol === 'http:' ? 80 : 443) : Number(place.port);
  const targetHost = place.hostname.replaceAll(/^\[|\]$/g, '');
  const resolved = await link.proxies.resolveSession({ workspaceId, username, targetHost, targetPort });
  const sessionIds = [resolved.sessionId, resolved.runnerUpId].filter((id) => id !== undefined);
  if (sessionIds.length === 0) return { resolved, sessions: [] };
  const { sessions } = await link.proxies.batchGetSessions({ workspaceId, sessionIds });
  return { resolved, sessions };
}

function Explanation({ resolved, sessions }: Answer) {
  const { sessionId, runnerUpId, reason, cause, eligibleCount, exclusions } = resolved;
  const all = Number(eligibleCount) + exclusions.reduce((sum, { count }) => sum + Number(count), 0);
  const find = (id: Uint8Array | undefined) =>
    sessions.find((each) => id !== undefined && uuidOf(each.id) === uuidOf(id));
  return (
    <article class="explanation">
      {sessionId === undefined ? (
        <>
          <h2>
            No session: <span class="badge bad">{cause ?? reason}</span>
          </h2>
          <Advice cause={cause ?? ''} />
        </>
      ) : (
        <>
          <h2>
            <Chosen session={find(sessionId)} />
          </h2>
          <p>
            Chosen because: <strong>{reason}</strong>.
          </p>
        </>
      )}
      {runnerUpId !== undefined && (
        <p>
          Next best: <Chosen session={find(runnerUpId)} />
        </p>
      )}
      {all > 0 && (
        <table>
          <caption>The pool’s {countText(all)} sessions</caption>
          <thead>
            <tr>
              <th scope="col">Could they serve?</th>
              <th scope="col" class="number">
                Sessions
              </th>
            </tr>
          </thead>
          <tbody>
            <tr>
              <th scope="row">yes</th>
              <td class="number">{countText(eligibleCount)}</td>
            </tr>
            {exclusions.map((exclusion) => (
              <tr key={exclusion.reason}>
                <th scope="row">no: {exclusion.reason}</th>
                <td class="number">{countText(exclusion.count)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </article>
  );
}

function Chosen({ session }: { readonly session: Session | undefined }) {
  if (session === undefined) return <>a session that is gone</>;
  return (
    <>
      {session.token} <small>{endpointOf(session)}</small>
    </>
  );
}
