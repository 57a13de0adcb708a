/** Signed in or not: the one thing that decides what there is to see. */
import type { Account } from './model/account.ts';
import { SignIn } from './pages/sign-in.tsx';
import { Shell } from './shell.tsx';

export function App({ account }: { readonly account: Account }) {
  const signedIn = account.signedIn.value;
  if (signedIn !== null) {
    return <Shell key={signedIn.workspace.value.id.join()} account={account} signedIn={signedIn} />;
  }
  return account.resuming.value ? <main class="sign-in" aria-busy="true" /> : <SignIn account={account} />;
}
