/**
 * Where clients come in, as the operator configured it: plain data that the
 * configuration makes, checked, and that the gateway opens.
 */
import type { ApiKeyId } from './model.ts';

/** What a client is told when an upstream or a target failed: 502 and 504, or the numbers that proxy-chain's users know. */
export const ERROR_STATUSES = ['standard', 'extended'] as const;
export type ErrorStatus = (typeof ERROR_STATUSES)[number];

/** Who clients are that send no credentials: the operator's word, without any secret. */
export interface Binding {
  readonly apiKeyId: ApiKeyId;
  /** As it would stand in a proxy username; valid. */
  readonly selector: string;
}

export interface ListenerBinding extends Binding {
  /** Networks that it is meant for, in the spelling of `destinations.ts`; anyone who can connect where empty. */
  readonly from: readonly string[];
}

/** Clients of a network, on whichever listener they come in. */
export interface ClientRange extends Binding {
  /** In the spelling of `destinations.ts`. */
  readonly range: string;
}

export interface Entrance {
  /** An address, or a name of this machine. */
  readonly host: string;
  /** 0 asks the system for a free one. */
  readonly port: number;
  /** PEM texts of a certificate chain and its key; null: clients speak in clear. The key is a secret: never log it. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly errorStatus: ErrorStatus;
  readonly binding: ListenerBinding | null;
}
