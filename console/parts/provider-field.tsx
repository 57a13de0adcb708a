/** Which provider new sessions come from. */
import { useState } from 'preact/hooks';
import { type Pool, type Provider, ProviderType } from '../../control/gen/proxies/v1/proxies_pb.ts';
import { nameOfProvider } from '../model/catalogue.ts';
import { uuidOf } from '../model/ids.ts';
import { useDesk } from './desk.ts';

/** The provider that was chosen: at first the one that fills this pool, else a list of one's own. */
export function useProvider(pool: Pool): readonly [Provider | undefined, (id: string) => void] {
  const { providers } = useDesk().catalogue;
  const [chosen, choose] = useState('');
  const isFor = ({ targetPoolId }: Provider) => targetPoolId !== undefined && uuidOf(targetPoolId) === uuidOf(pool.id);
  const provider =
    providers.value.find(({ id }) => uuidOf(id) === chosen) ??
    providers.value.find(isFor) ??
    providers.value.find(({ type }) => type === ProviderType.STATIC) ??
    providers.value[0];
  return [provider, choose];
}

export interface ProviderFieldProps {
  readonly provider: Provider | undefined;
  readonly onChoose: (id: string) => void;
}

export function ProviderField({ provider, onChoose }: ProviderFieldProps) {
  const { providers } = useDesk().catalogue;
  return (
    <label>
      Provider
      <select
        value={provider === undefined ? '' : uuidOf(provider.id)}
        onChange={(event) => onChoose(event.currentTarget.value)}
      >
        {providers.value.map((each) => (
          <option key={uuidOf(each.id)} value={uuidOf(each.id)}>
            {nameOfProvider(each)}
          </option>
        ))}
      </select>
    </label>
  );
}
