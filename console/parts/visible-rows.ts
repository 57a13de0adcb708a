/** Which rows of a long table are in view: the rest is empty space above and below them. */
import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from '@tanstack/virtual-core';
import type { RefObject } from 'preact';
import { useLayoutEffect, useReducer, useState } from 'preact/hooks';

export interface VisibleRows {
  /** Indices of the rows to draw. */
  readonly first: number;
  readonly last: number;
  /** Pixels of empty space. */
  readonly above: number;
  readonly below: number;
  readonly scrollTo: (index: number) => void;
}

const MARGIN_ROWS = 12;

/** All rows are of one height, pixels. */
export function useVisibleRows(scroller: RefObject<HTMLElement | null>, count: number, height: number): VisibleRows {
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  const options = {
    count,
    overscan: MARGIN_ROWS,
    estimateSize: () => height,
    getScrollElement: () => scroller.current,
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    onChange: () => redraw(0),
  };
  const [virtualizer] = useState(() => new Virtualizer<HTMLElement, HTMLElement>(options));
  virtualizer.setOptions(options);
  useLayoutEffect(() => virtualizer._didMount(), [virtualizer]);
  useLayoutEffect(() => virtualizer._willUpdate());
  const items = virtualizer.getVirtualItems();
  const first = items[0]?.index ?? 0;
  const last = items.at(-1)?.index ?? -1;
  return {
    first,
    last,
    above: first * height,
    below: Math.max(0, count - 1 - last) * height,
    scrollTo: (index) => virtualizer.scrollToIndex(index),
  };
}
