/** API keys of the workspace, and the key that seals its secrets. */
import { useEffect, useState } from 'preact/hooks';
import type { APIKey, Workspace } from '../../control/gen/accounts/v1/accounts_pb.ts';
import { uuidOf } from '../model/ids.ts';
import { messageOf } from '../model/link.ts';
import { momentText } from '../model/words.ts';
import { CopyButton } from '../parts/copy-button.tsx';
import { useDesk } from '../parts/desk.ts';
import { Confirm, Dialog } from '../parts/dialog.tsx';
import { Failure } from '../parts/empty.tsx';
import { Scroller } from '../parts/scroller.tsx';

const LOOK_MS = 500;

export function Keys() {
  const { link, workspaceId, tell } = useDesk();
  const [keys, setKeys] = useState<readonly APIKey[] | null>(null);
  const [failure, setFailure] = useState('');
  const [revoking, setRevoking] = useState<APIKey | null>(null);
  const [isAdding, setAdding] = useState(false);
  const load = () =>
    link.accounts
      .listAPIKeys({ workspaceId })
      .then(({ apiKeys }) => setKeys(apiKeys))
      .catch((error) => setFailure(messageOf(error)));
  useEffect(() => void load(), []);
  const revoke = async ({ id, name }: APIKey) => {
    try {
      await link.accounts.deleteAPIKey({ apiKeyId: id });
      tell(`${name} is revoked, at the gateway too.`);
      setFailure('');
    } catch (error) {
      setFailure(messageOf(error));
    }
    await load();
  };
  return (
    <>
      <div class="toolbar">
        <h2>API keys</h2>
        <span class="pushes" />
        <button type="button" onClick={() => setAdding(true)}>
          New key
        </button>
      </div>
      {failure !== '' && <Failure text={failure} onRetry={() => void load()} />}
      {keys === null ? <p aria-busy={failure === ''}>Loading keys</p> : <KeyTable keys={keys} onRevoke={setRevoking} />}
      <Sealing />
      {isAdding && <NewKey onClose={() => setAdding(false)} onCreated={() => void load()} />}
      {revoking !== null && (
        <Confirm
          title={`Revoke ${revoking.name}?`}
          verb="Revoke"
          onClose={() => setRevoking(null)}
          onConfirm={() => void revoke(revoking)}
        >
          <p>Whoever uses it is refused from then on, here and at the gateway. This cannot be taken back.</p>
        </Confirm>
      )}
    </>
  );
}

function KeyTable({ keys, onRevoke }: { readonly keys: readonly APIKey[]; readonly onRevoke: (key: APIKey) => void }) {
  return (
    <Scroller label="API keys">
      <table class="dense">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Begins with</th>
            <th scope="col">May</th>
            <th scope="col">Last used</th>
            <th scope="col">Ends</th>
            <th scope="col">
              <span class="unseen">Revoke</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {keys.map((key) => (
            <tr key={uuidOf(key.id)}>
              <th scope="row">{key.name}</th>
              <td>
                <code>{key.keyPrefix}…</code>
              </td>
              <td>{key.policies.join(', ')}</td>
              <td>{momentText(key.lastUsedAt)}</td>
              <td>{key.expiresAt === undefined ? 'never' : momentText(key.expiresAt)}</td>
              <td>
                <button
                  type="button"
                  class="small danger"
                  aria-label={`Revoke ${key.name}`}
                  onClick={() => onRevoke(key)}
                >
                  Revoke…
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroller>
  );
}

function NewKey({ onClose, onCreated }: { readonly onClose: () => void; readonly onCreated: () => void }) {
  const { link, workspaceId } = useDesk();
  const [policies, setPolicies] = useState<readonly string[]>([]);
  const [rawKey, setRawKey] = useState('');
  const [failure, setFailure] = useState('');
  useEffect(() => {
    void link.accounts
      .listPolicies({})
      .then((found) => setPolicies(found.policies.map(({ name }) => name)))
      .catch((error) => setFailure(messageOf(error)));
  }, []);
  const create = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    try {
      const request = { workspaceId, name: String(form.get('name')), policies: form.getAll('policy').map(String) };
      setRawKey((await link.accounts.createAPIKey(request)).rawKey);
      onCreated();
    } catch (error) {
      setFailure(messageOf(error));
    }
  };
  if (rawKey !== '') {
    return (
      <Dialog title="The new key" onClose={onClose}>
        <p>It is shown this once. Copy it now; nobody can show it again.</p>
        <p>
          <code class="secret">{rawKey}</code> <CopyButton text={rawKey} label="Copy" />
        </p>
        <footer>
          <button type="button" onClick={onClose}>
            I have it
          </button>
        </footer>
      </Dialog>
    );
  }
  return (
    <Dialog title="New API key" onClose={onClose}>
      <form onSubmit={(event) => void create(event)}>
        <label>
          Name
          <input name="name" required maxLength={64} placeholder="crawler" />
        </label>
        <fieldset>
          <legend>What it may do</legend>
          {policies.map((policy) => (
            <label key={policy}>
              <input type="checkbox" name="policy" value={policy} defaultChecked={policy === 'gateway'} /> {policy}{' '}
              <small>{MEANINGS[policy] ?? ''}</small>
            </label>
          ))}
        </fieldset>
        {failure !== '' && <Failure text={failure} />}
        <footer>
          <button type="button" class="secondary" onClick={onClose}>
            Cancel
          </button>
          <button type="submit">Create</button>
        </footer>
      </form>
    </Dialog>
  );
}

const MEANINGS: Readonly<Record<string, string>> = {
  operator: 'everything, in every workspace',
  proxies: 'manage pools, providers and sessions',
  'proxies-viewer': 'look at them',
  gateway: 'send requests through the gateway',
  accounts: 'manage keys',
};

/** The workspace's encryption key: a new one at a press, and how far sealing with it is. */
function Sealing() {
  const { link, workspaceId, tell } = useDesk();
  const [workspace, setWorkspace] = useState<Workspace | null>(null);
  const [failure, setFailure] = useState('');
  const [isAsking, setAsking] = useState(false);
  const look = async () => setWorkspace((await link.accounts.getWorkspace({ workspaceId })).workspace ?? null);
  const rotation = workspace?.keyRotation;
  const lookQuietly = () => void look().catch(() => undefined); // the link tells whether the server answers
  useEffect(lookQuietly, []);
  useEffect(() => {
    if (rotation === undefined) return;
    const timer = setTimeout(lookQuietly, LOOK_MS);
    return () => clearTimeout(timer);
  }, [rotation]);
  const rotate = async () => {
    try {
      const { toVersion } = await link.accounts.rotateWorkspaceKey({ workspaceId });
      tell(`Secrets are sealed with version ${toVersion} from now on.`);
      setFailure('');
      await look();
    } catch (error) {
      setFailure(messageOf(error));
    }
  };
  return (
    <section aria-labelledby="sealing">
      <h2 id="sealing">Encryption key</h2>
      <p>
        Stored passwords are sealed with a key of the workspace’s own. A new one seals them anew, while requests go on.
      </p>
      {failure !== '' && <Failure text={failure} />}
      {rotation === undefined ? (
        <button type="button" class="secondary" onClick={() => setAsking(true)}>
          Rotate…
        </button>
      ) : (
        <progress
          value={Number(rotation.checkedCount)}
          max={Math.max(1, Number(rotation.totalCount))}
          aria-label="Sealing secrets with the new key"
        />
      )}
      {isAsking && (
        <Confirm
          title="Rotate the encryption key?"
          verb="Rotate"
          onClose={() => setAsking(false)}
          onConfirm={() => void rotate()}
        >
          <p>Every stored secret is sealed with a new key. Requests and changes go on meanwhile.</p>
        </Confirm>
      )}
    </section>
  );
}
