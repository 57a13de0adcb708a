/**
 * The credentials of the bench: the sixteen that the upstream knows, so that a
 * gateway that injects has something to rotate over. Not secrets: they open
 * nothing but the bench's own upstream on loopback.
 */

export interface Credential {
  readonly username: string;
  readonly password: string;
}

export const UPSTREAM_CREDENTIALS: readonly Credential[] = Array.from({ length: 16 }, (_, i) => ({
  username: `exit${i}`,
  password: `upstream-pass-${i}`,
}));

/** What a client of a gateway that authenticates (and is not Sallyport) presents. */
export const CLIENT_CREDENTIAL: Credential = { username: 'bench', password: 'client-pass' };

/** The value of a Basic `Proxy-Authorization` for a credential. */
export function basic({ username, password }: Credential): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
