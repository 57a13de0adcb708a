/**
 * Who a command speaks for: one server, one key, one workspace. Everything that talks to a
 * server begins here, and asks no more of it than it needs.
 */
import { createSallyport, idOf, type Sallyport, uuidOf } from '../../client/client.ts';
import { CommandFailure, EXIT, usageFailure } from './failure.ts';
import type { CommandHost } from './host.ts';
import { findServer } from './server-address.ts';

/** Flags of every command that talks to a server. */
export interface ServerFlags {
  readonly url?: string;
  readonly dataDir?: string;
  readonly workspace?: string;
}

export class Operator {
  readonly url: string;
  /** A secret: never print it but where it is asked for. */
  readonly apiKey: string;
  /** Where clients reach the gateway, as far as the data directory says so. */
  readonly gatewayUrl: string | undefined;
  readonly api: Sallyport;
  readonly #asked: string | undefined;
  readonly #own: string | undefined;
  #workspace: Promise<Uint8Array<ArrayBuffer>> | null = null;

  /** Throws a CommandFailure when no server is known. */
  constructor({ url, dataDir, workspace }: ServerFlags, host: CommandHost) {
    const folder = dataDir ?? host.env.SALLYPORT_DATA_DIR ?? './data';
    const env = url === undefined ? host.env : { ...host.env, SALLYPORT_URL: url };
    const server = findServer(env, folder, host.readFile);
    if (typeof server === 'string') throw usageFailure(server);
    this.url = server.url;
    this.apiKey = server.apiKey;
    this.api = createSallyport(server);
    this.#asked = workspace ?? host.env.SALLYPORT_WORKSPACE;
    this.#own = server.bootstrap?.workspaceId;
    this.gatewayUrl = server.bootstrap?.gatewayUrl;
  }

  /** The workspace that was asked for by name or id, else the only one that the key can mean. */
  workspaceId(): Promise<Uint8Array<ArrayBuffer>> {
    this.#workspace ??= this.#findWorkspace();
    return this.#workspace;
  }

  async #findWorkspace(): Promise<Uint8Array<ArrayBuffer>> {
    const asked = this.#asked;
    const known = asked ?? this.#own;
    if (known !== undefined && isId(known)) return idOf(known);
    const { workspaceIds } = await this.api.accounts.listWorkspaces({ limit: 1_000 });
    if (asked === undefined && workspaceIds.length === 1) return Uint8Array.from(workspaceIds[0]!);
    const { workspaces } = await this.api.accounts.batchGetWorkspaces({ workspaceIds });
    const found = asked === undefined ? workspaces : workspaces.filter(({ name }) => name === asked);
    if (found.length === 1) return Uint8Array.from(found[0]!.id);
    const names = workspaces.map(({ name, id }) => `  ${name}  ${uuidOf(id)}`).join('\n');
    if (asked === undefined)
      throw usageFailure(`this key sees several workspaces: name one with --workspace\n${names}`);
    if (found.length > 1) throw usageFailure(`several workspaces are called ${asked}: give the id of one\n${names}`);
    throw new CommandFailure(EXIT.refused, `no workspace is called ${asked}; there are:\n${names}`);
  }
}

/** Whether a text is an id, as UUID or in base64, and no name. */
export function isId(text: string): boolean {
  return (
    /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text) || /^[A-Za-z0-9+/]{22}==$/.test(text)
  );
}
