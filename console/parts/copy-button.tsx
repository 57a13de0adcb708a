/** Copies a text, and says so. */
import { useState } from 'preact/hooks';

const SAID_MS = 1_500;

export function CopyButton({ text, label }: { readonly text: string; readonly label: string }) {
  const [said, setSaid] = useState('');
  const copy = async () => {
    // Only a secure context has a clipboard: https, or loopback.
    const done = await navigator.clipboard?.writeText(text).then(
      () => true,
      () => false,
    );
    setSaid(done === true ? 'Copied' : 'Select it and copy');
    setTimeout(() => setSaid(''), SAID_MS);
  };
  return (
    <button type="button" class="small secondary" onClick={() => void copy()} aria-live="polite">
      {said === '' ? label : said}
    </button>
  );
}
