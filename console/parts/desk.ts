/** What every page of somebody signed in works with; made once a workspace, by `shell.tsx`. */
import { type Signal, signal } from '@preact/signals';
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { SignedIn } from '../model/account.ts';
import { Catalogue } from '../model/catalogue.ts';
import type { Link } from '../model/link.ts';
import { MetricsFeed } from '../model/metrics-feed.ts';

/** A sentence that appears for a moment, and is read out. */
export interface Notice {
  readonly text: string;
  readonly isFailure: boolean;
}

const NOTICE_MS = 6_000;

export class Desk {
  readonly link: Link;
  readonly workspaceId: Uint8Array<ArrayBuffer>;
  readonly catalogue: Catalogue;
  readonly metrics: MetricsFeed;
  readonly notice = signal<Notice | null>(null);

  constructor({ link, workspaceId }: SignedIn, baseUrl: string, lost: Signal<boolean>) {
    this.link = link;
    this.workspaceId = workspaceId;
    this.catalogue = new Catalogue(link, workspaceId);
    this.metrics = new MetricsFeed(baseUrl, (isAnswered) => {
      lost.value = !isAnswered;
    });
  }

  readonly tell = (text: string, isFailure = false): void => {
    const notice = { text, isFailure };
    this.notice.value = notice;
    setTimeout(() => {
      if (this.notice.value === notice) this.notice.value = null;
    }, NOTICE_MS);
  };
}

export const DeskContext = createContext<Desk | null>(null);

export function useDesk(): Desk {
  const desk = useContext(DeskContext);
  if (desk === null) throw new Error('there is a desk only for somebody signed in');
  return desk;
}
