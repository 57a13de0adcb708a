/**
 * Who is signed in: a key, what it may see, and whether the server answers. The key lives in this
 * tab alone: in `sessionStorage`, which a reload keeps and closing the tab forgets.
 */
import { type Signal, signal } from '@preact/signals';
import type { Workspace } from '../../control/gen/accounts/v1/accounts_pb.ts';
import { type Link, messageOf, type Outcome, openLink, outcomeOf } from './link.ts';

/** Where the key is kept meanwhile: `sessionStorage`, or a stand-in. */
export interface KeyShelf {
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
  removeItem(name: string): void;
}

export interface SignedIn {
  readonly link: Link;
  readonly workspaces: readonly Workspace[];
  readonly workspace: Signal<Workspace>;
  readonly workspaceId: Uint8Array<ArrayBuffer>;
}

const KEY = 'sallyport.key';

export class Account {
  /** null: nobody is signed in. */
  readonly signedIn = signal<SignedIn | null>(null);
  /** Whether a kept key is being tried. */
  readonly resuming = signal(false);
  /** Why the last attempt to sign in failed, or why somebody was signed out. */
  readonly refusal = signal('');
  /** Whether the last call was not answered. */
  readonly lost = signal(false);
  readonly #baseUrl: string;
  readonly #shelf: KeyShelf;

  constructor(baseUrl: string, shelf: KeyShelf) {
    this.#baseUrl = baseUrl;
    this.#shelf = shelf;
  }

  /** Signs in again with the key of before the reload, if there is one. */
  async resume(): Promise<void> {
    const key = this.#shelf.getItem(KEY);
    if (key === null) return;
    this.resuming.value = true;
    await this.signIn(key);
    this.resuming.value = false;
  }

  async signIn(key: string): Promise<void> {
    this.refusal.value = '';
    // A key is visible ASCII: what is not would be no header either.
    if (!/^[\x21-\x7e]+$/.test(key)) {
      this.refusal.value = 'That is no API key: it begins with sp_live_ and has no blanks.';
      return;
    }
    const link = openLink(this.#baseUrl, key, (outcome) => this.#told(outcome));
    try {
      const { workspaceIds } = await link.accounts.listWorkspaces({ limit: 1_000 });
      const { workspaces } = await link.accounts.batchGetWorkspaces({ workspaceIds });
      const first = workspaces[0];
      if (first === undefined) throw new Error('this key sees no workspace');
      this.#shelf.setItem(KEY, key);
      this.signedIn.value = {
        link,
        workspaces,
        workspace: signal(first),
        get workspaceId() {
          return Uint8Array.from(this.workspace.value.id);
        },
      };
    } catch (error) {
      this.refusal.value = outcomeOf(error) === 'refused' ? 'This key is not accepted.' : messageOf(error);
      if (outcomeOf(error) === 'refused') this.#shelf.removeItem(KEY);
    }
  }

  signOut(why = ''): void {
    this.#shelf.removeItem(KEY);
    this.signedIn.value = null;
    this.lost.value = false;
    this.refusal.value = why;
  }

  #told(outcome: Outcome): void {
    this.lost.value = outcome === 'lost';
    if (outcome === 'refused' && this.signedIn.value !== null) {
      this.signOut('The key is no longer accepted: it was revoked, or has ended.');
    }
  }
}
