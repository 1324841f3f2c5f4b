import type { ReactNode } from 'react';
import { useState } from 'react';
import { createPortal } from 'react-dom';

/**
 * Content that lives on when its place on the page changes, and while it has
 * none. Shown is what stands at `place`; `content` is what keeps it alive.
 */
export function useMovable(content: ReactNode): { content: ReactNode; place: ReactNode } {
  const [carrier] = useState(makeCarrier);
  return { content: createPortal(content, carrier.element), place: <div className="place" ref={carrier.moveTo} /> };
}

function makeCarrier() {
  const element = document.createElement('div');
  element.className = 'carrier';
  return { element, moveTo: (place: HTMLElement | null) => place?.append(element) };
}
