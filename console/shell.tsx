/** What stands around every page: where one can go, which workspace it is, whether the server answers. */
import { useEffect, useState } from 'preact/hooks';
import type { Account, SignedIn } from './model/account.ts';
import { uuidOf } from './model/ids.ts';
import { fragmentOf, type PageName, type Place, placeOf } from './model/place.ts';
import { Explain } from './pages/explain.tsx';
import { Keys } from './pages/keys.tsx';
import { Overview } from './pages/overview.tsx';
import { Sessions } from './pages/sessions.tsx';
import { Tail } from './pages/tail.tsx';
import { Desk, DeskContext } from './parts/desk.ts';

const TITLES: readonly (readonly [PageName, string])[] = [
  ['overview', 'Overview'],
  ['sessions', 'Sessions'],
  ['tail', 'Live tail'],
  ['explain', 'Explain'],
  ['keys', 'Keys'],
];

export interface ShellProps {
  readonly account: Account;
  readonly signedIn: SignedIn;
}

export function Shell({ account, signedIn }: ShellProps) {
  const [desk] = useState(() => new Desk(signedIn, location.origin, account.lost));
  const place = usePlace();
  useEffect(() => {
    void desk.catalogue.reload();
    void desk.metrics.start();
    return () => desk.metrics.stop();
  }, [desk]);
  const title = TITLES.find(([page]) => page === place.page)![1];
  useEffect(() => {
    document.title = `${title} · Sallyport`;
  }, [title]);
  return (
    <DeskContext.Provider value={desk}>
      <button type="button" class="skip" onClick={skipToContent}>
        Skip to content
      </button>
      <Header account={account} signedIn={signedIn} page={place.page} />
      <LostBanner account={account} />
      <main id="content" tabIndex={-1}>
        <h1>{title}</h1>
        <Page place={place} />
      </main>
      <Announcement desk={desk} />
    </DeskContext.Provider>
  );
}

function Page({ place }: { readonly place: Place }) {
  switch (place.page) {
    case 'overview':
      return <Overview />;
    case 'sessions':
      return <Sessions pool={place.params.get('pool') ?? ''} />;
    case 'tail':
      return <Tail key={place.params.toString()} params={place.params} />;
    case 'explain':
      return <Explain key={place.params.toString()} username={place.params.get('username') ?? ''} />;
    case 'keys':
      return <Keys />;
  }
}

function Header({ account, signedIn, page }: ShellProps & { readonly page: PageName }) {
  const { workspaces, workspace } = signedIn;
  const choose = (id: string) => {
    const chosen = workspaces.find((each) => uuidOf(each.id) === id);
    if (chosen !== undefined) workspace.value = chosen;
  };
  return (
    <header class="top">
      <a class="brand" href={fragmentOf('overview')}>
        <img src="console/icon.svg" alt="" width={22} height={22} /> Sallyport
      </a>
      <nav aria-label="Pages">
        <ul>
          {TITLES.map(([name, text]) => (
            <li key={name}>
              <a href={fragmentOf(name)} aria-current={name === page ? 'page' : undefined}>
                {text}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      {workspaces.length > 1 ? (
        <select
          aria-label="Workspace"
          value={uuidOf(workspace.value.id)}
          onChange={(event) => choose(event.currentTarget.value)}
        >
          {workspaces.map(({ id, name }) => (
            <option key={uuidOf(id)} value={uuidOf(id)}>
              {name}
            </option>
          ))}
        </select>
      ) : (
        <span class="quiet">{workspace.value.name}</span>
      )}
      <button type="button" class="small secondary" onClick={() => account.signOut()}>
        Sign out
      </button>
    </header>
  );
}

function LostBanner({ account }: { readonly account: Account }) {
  return (
    <div role="status">
      {account.lost.value && (
        <p class="banner">The server does not answer. What you see is how it was; it is asked again every moment.</p>
      )}
    </div>
  );
}

function Announcement({ desk }: { readonly desk: Desk }) {
  const notice = desk.notice.value;
  return (
    <div class="announcement" role="status" aria-live="polite">
      {notice !== null && <p class={notice.isFailure ? 'bad' : ''}>{notice.text}</p>}
    </div>
  );
}

/** The place that the address names, as it changes. */
function usePlace(): Place {
  const [place, setPlace] = useState(() => placeOf(location.hash));
  useEffect(() => {
    const change = () => setPlace(placeOf(location.hash));
    addEventListener('hashchange', change);
    return () => removeEventListener('hashchange', change);
  }, []);
  return place;
}

/** The fragment of the address names the page: a jump within it moves the focus alone. */
function skipToContent(): void {
  document.getElementById('content')?.focus();
}
