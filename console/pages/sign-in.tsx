/** The door: an API key, and why it was not taken. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Account } from '../model/account.ts';

export function SignIn({ account }: { readonly account: Account }) {
  const [isTrying, setTrying] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const refusal = account.refusal.value;
  useEffect(() => {
    document.title = 'Sign in · Sallyport';
    field.current?.focus();
  }, []);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    setTrying(true);
    await account.signIn(field.current!.value.trim());
    setTrying(false);
    field.current?.select();
  };
  return (
    <main class="sign-in">
      <form onSubmit={(event) => void submit(event)}>
        <h1>
          <img src="console/icon.svg" alt="" width={36} height={36} /> Sallyport
        </h1>
        <label>
          API key
          <input
            ref={field}
            type="password"
            name="key"
            autocomplete="current-password"
            spellcheck={false}
            required
            aria-invalid={refusal === '' ? undefined : true}
            aria-describedby="key-help"
          />
        </label>
        <p id="key-help" class={refusal === '' ? 'quiet' : 'bad'} role={refusal === '' ? undefined : 'alert'}>
          {refusal === '' ? (
            <>
              The first start has printed one, and <code>data/bootstrap.json</code> holds it. It stays in this tab.
            </>
          ) : (
            refusal
          )}
        </p>
        <button type="submit" aria-busy={isTrying} disabled={isTrying}>
          Sign in
        </button>
      </form>
    </main>
  );
}
