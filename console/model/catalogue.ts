/** The pools and providers of a workspace, by name: few, and loaded whole. */
import { signal } from '@preact/signals';
import { walk } from '../../client/pages.ts';
import { type Pool, type Provider, ProviderType } from '../../control/gen/proxies/v1/proxies_pb.ts';
import { type Link, messageOf } from './link.ts';

export class Catalogue {
  readonly pools = signal<readonly Pool[]>([]);
  readonly providers = signal<readonly Provider[]>([]);
  readonly loaded = signal(false);
  readonly failure = signal('');
  readonly #link: Link;
  readonly #workspaceId: Uint8Array<ArrayBuffer>;

  constructor(link: Link, workspaceId: Uint8Array<ArrayBuffer>) {
    this.#link = link;
    this.#workspaceId = workspaceId;
  }

  async reload(): Promise<void> {
    const { proxies } = this.#link;
    const workspaceId = this.#workspaceId;
    const pools = walk({
      page: async (cursor, limit) => {
        const { poolIds: ids, nextCursor } = await proxies.listPools({ workspaceId, cursor, limit });
        return { ids, nextCursor };
      },
      load: async (poolIds) => (await proxies.batchGetPools({ workspaceId, poolIds })).pools,
    });
    const providers = walk({
      page: async (cursor, limit) => {
        const { providerIds: ids, nextCursor } = await proxies.listProviders({ workspaceId, cursor, limit });
        return { ids, nextCursor };
      },
      load: async (providerIds) => (await proxies.batchGetProviders({ workspaceId, providerIds })).providers,
    });
    try {
      const [allPools, allProviders] = await Promise.all([allOf(pools), allOf(providers)]);
      this.pools.value = allPools.sort((a, b) => (a.name < b.name ? -1 : 1));
      this.providers.value = allProviders;
      this.failure.value = '';
      this.loaded.value = true;
    } catch (error) {
      this.failure.value = messageOf(error);
    }
  }
}

async function allOf<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** What a provider is called: its kind, with its name where that says more. */
export function nameOfProvider({ name, type }: Provider): string {
  const kind = kindOf(type);
  return name === undefined || name === kind ? kind : `${name} (${kind})`;
}

/** `static`, `bright-data`: as the command line has kinds of providers. */
function kindOf(type: ProviderType): string {
  const name = Object.entries(ProviderType).find(([, value]) => value === type)?.[0] ?? String(type);
  return name.toLowerCase().replaceAll('_', '-');
}
