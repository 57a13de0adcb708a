/** A modal dialog of the browser's own: it keeps the focus, and Escape closes it. */
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';

export interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
  readonly wide?: boolean;
}

export function Dialog({ title, onClose, children, wide = false }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const dialog = element.current!;
    dialog.showModal();
    // Whoever opened a form wants to fill it in; the browser would choose the cross.
    dialog.querySelector<HTMLElement>('form input, form textarea')?.focus();
    return () => dialog.close();
  }, []);
  return (
    <dialog ref={element} aria-labelledby={titleId} onClose={onClose}>
      <article class={wide ? 'wide' : ''}>
        <header>
          <button type="button" class="close" aria-label="Close" onClick={onClose} />
          <h2 id={titleId}>{title}</h2>
        </header>
        {children}
      </article>
    </dialog>
  );
}

export interface ConfirmProps {
  readonly title: string;
  /** What the button does, such as `Delete`. */
  readonly verb: string;
  readonly onClose: () => void;
  readonly onConfirm: () => void;
  readonly children: ComponentChildren;
}

/** Asks before what cannot be taken back. */
export function Confirm({ title, verb, onClose, onConfirm, children }: ConfirmProps) {
  const confirm = () => {
    onClose();
    onConfirm();
  };
  return (
    <Dialog title={title} onClose={onClose}>
      {children}
      <footer>
        <button type="button" class="secondary" onClick={onClose}>
          Cancel
        </button>
        <button type="button" class="danger" onClick={confirm}>
          {verb}
        </button>
      </footer>
    </Dialog>
  );
}
