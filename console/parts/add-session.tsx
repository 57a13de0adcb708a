/** One session by hand. A line of a vendor's list, pasted, fills the fields. */
import { useState } from 'preact/hooks';
import { isProblem, tokenFor } from '../../client/session-list/endpoint.ts';
import { parsePlainLine } from '../../client/session-list/plain-line.ts';
import { type Pool, ProviderType } from '../../control/gen/proxies/v1/proxies_pb.ts';
import { messageOf } from '../model/link.ts';
import { useDesk } from './desk.ts';
import { Dialog } from './dialog.tsx';
import { Failure } from './empty.tsx';
import { ProviderField, useProvider } from './provider-field.tsx';

export interface ChangeDialogProps {
  readonly pool: Pool;
  readonly onClose: () => void;
  readonly onChanged: () => void;
}

const SCHEMES = ['http', 'https', 'socks5', 'socks5h', 'socks4', 'socks4a'];

const NOTHING = { scheme: 'http', host: '', port: '', username: '', password: '', token: '', labels: '' };
type Fields = typeof NOTHING;

export function AddSession({ pool, onClose, onChanged }: ChangeDialogProps) {
  const desk = useDesk();
  const [provider, chooseProvider] = useProvider(pool);
  const [fields, setFields] = useState<Fields>(NOTHING);
  const [failure, setFailure] = useState('');
  const [isBusy, setBusy] = useState(false);
  const type = provider?.type ?? ProviderType.UNSPECIFIED;
  const set = (part: Partial<Fields>) => setFields({ ...fields, ...part });
  const add = async (event: SubmitEvent) => {
    event.preventDefault();
    if (provider === undefined) return;
    setBusy(true);
    try {
      const { link, workspaceId } = desk;
      const request = { workspaceId, poolId: pool.id, providerId: provider.id, ...requestOf(type, fields) };
      const { session } = await link.proxies.createSession(request);
      desk.tell(`${session!.token} serves from now on.`);
      onChanged();
      onClose();
    } catch (error) {
      setFailure(messageOf(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title={`Add a session to ${pool.name}`} onClose={onClose}>
      <form onSubmit={(event) => void add(event)} autocomplete="off">
        <ProviderField provider={provider} onChoose={chooseProvider} />
        {type === ProviderType.STATIC && <StaticFields fields={fields} set={set} />}
        {type === ProviderType.LOCAL && <LocalFields fields={fields} set={set} />}
        <label>
          Token
          <input
            value={fields.token}
            required={type !== ProviderType.STATIC}
            placeholder={type === ProviderType.STATIC ? placeholderOf(fields) : ''}
            spellcheck={false}
            onInput={(event) => set({ token: event.currentTarget.value.trim() })}
          />
          <small>Its name: unique in the pool.</small>
        </label>
        <label>
          Labels
          <input
            value={fields.labels}
            placeholder="country=de city=berlin"
            spellcheck={false}
            onInput={(event) => set({ labels: event.currentTarget.value })}
          />
          <small>Clients can choose by them.</small>
        </label>
        {failure !== '' && <Failure text={failure} />}
        <footer>
          <button type="button" class="secondary" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" aria-busy={isBusy} disabled={isBusy || provider === undefined}>
            Add
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

interface FieldsProps {
  readonly fields: Fields;
  readonly set: (part: Partial<Fields>) => void;
}

function StaticFields({ fields, set }: FieldsProps) {
  const paste = (line: string) => {
    const found = parsePlainLine(line.trim(), fields.scheme);
    if (isProblem(found)) return set({ host: line.trim() });
    const { scheme, host, port, username, password } = found;
    set({ scheme, host, port: String(port), username: username ?? '', password: password ?? '' });
  };
  return (
    <>
      <div class="fields">
        <label class="narrow">
          Scheme
          <select value={fields.scheme} onChange={(event) => set({ scheme: event.currentTarget.value })}>
            {SCHEMES.map((scheme) => (
              <option key={scheme}>{scheme}</option>
            ))}
          </select>
        </label>
        <label class="grows">
          Host
          <input
            value={fields.host}
            required
            spellcheck={false}
            placeholder="203.0.113.7"
            onPaste={(event) => {
              const text = event.clipboardData?.getData('text') ?? '';
              if (!/[:@\s]/.test(text.trim())) return;
              event.preventDefault();
              paste(text);
            }}
            onInput={(event) => set({ host: event.currentTarget.value.trim() })}
          />
        </label>
        <label class="narrow">
          Port
          <input
            value={fields.port}
            required
            inputMode="numeric"
            pattern="[0-9]{1,5}"
            placeholder="8080"
            onInput={(event) => set({ port: event.currentTarget.value.trim() })}
          />
        </label>
      </div>
      <p class="quiet">
        Paste a whole line of a list into the host, such as host:port:user:password, and the rest is filled in.
      </p>
      <div class="fields">
        <label class="grows">
          Username
          <input
            value={fields.username}
            spellcheck={false}
            onInput={(event) => set({ username: event.currentTarget.value })}
          />
        </label>
        <label class="grows">
          Password
          <input
            type="password"
            value={fields.password}
            autocomplete="new-password"
            onInput={(event) => set({ password: event.currentTarget.value })}
          />
        </label>
      </div>
    </>
  );
}

function LocalFields({ fields, set }: FieldsProps) {
  return (
    <label>
      Address of this machine
      <input
        value={fields.host}
        spellcheck={false}
        placeholder="any"
        onInput={(event) => set({ host: event.currentTarget.value.trim() })}
      />
    </label>
  );
}

function endpointOf({ scheme, host, port, username }: Fields) {
  const named = { token: null, password: null, labels: {}, username: username === '' ? null : username };
  return { ...named, scheme, host, port: Number(port) };
}

/** The token that a session gets whose own was left out. */
function placeholderOf(fields: Fields): string {
  if (fields.host === '' || fields.port === '') return '';
  const token = tokenFor(endpointOf(fields));
  return typeof token === 'string' ? token : '';
}

function requestOf(type: ProviderType, fields: Fields) {
  const { token, scheme, host, port, username, password } = fields;
  const labels = Object.fromEntries(labelPairs(fields.labels));
  if (type === ProviderType.LOCAL) return { token, labels, ...(host !== '' && { host }) };
  if (type !== ProviderType.STATIC) return { token, labels };
  const named = token === '' ? tokenFor(endpointOf(fields)) : token;
  if (typeof named !== 'string') throw new Error(named.problem);
  return {
    ...{ token: named, labels, scheme, host, port: Number(port) },
    ...(username !== '' && { username }),
    ...(password !== '' && { password }),
  };
}

/** `key=value` pairs between blanks or commas. Throws an Error that says which is none. */
function labelPairs(text: string): [string, string][] {
  return text
    .split(/[\s,]+/)
    .filter((word) => word !== '')
    .map((word) => {
      const at = word.indexOf('=');
      if (at < 1) throw new Error(`a label is key=value, and ${word} is none`);
      return [word.slice(0, at), word.slice(at + 1)];
    });
}
