/** A part of the page that scrolls by itself: with a name, and reached by the keyboard. */
import type { ComponentChildren, Ref } from 'preact';

export interface ScrollerProps {
  readonly label: string;
  readonly children: ComponentChildren;
  /** Beside `scroller`. */
  readonly class?: string;
  readonly element?: Ref<HTMLElement>;
}

export function Scroller({ label, children, class: more = '', element }: ScrollerProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: who has no mouse scrolls what has the focus (WCAG 2.1.1)
    <section ref={element ?? null} class={`scroller ${more}`.trim()} aria-label={label} tabIndex={0}>
      {children}
    </section>
  );
}
