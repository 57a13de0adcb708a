/** The console's first step: draws itself into the page that `index.html` is. */
import { render } from 'preact';
import { App } from './app.tsx';
import { Account } from './model/account.ts';

const account = new Account(location.origin, sessionStorage);
render(<App account={account} />, document.getElementById('console')!);
void account.resume();
