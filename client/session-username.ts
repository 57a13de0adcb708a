/** The proxy username that asks for one session and no other, as `docs/selector.md` has it. */

/** Tokens that a username can ask for; sessions of a list have their address for one, which it cannot. */
const ASKABLE = /^[A-Za-z0-9._~-]{1,128}$/;

/** null for a session whose token no username can name. */
export function usernameFor(pool: string, token: string): string | null {
  // A dash within the token may begin a key of the username language, so that each is encoded.
  return ASKABLE.test(token) ? `${pool}-session-${token.replaceAll('-', '%2D')}-strict-true` : null;
}
