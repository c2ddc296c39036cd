/** Shown instead of a part that has nothing to show, or not yet. */
import type { ComponentChildren } from "preact";

interface Properties {
  /** The text, such as that nothing exists yet. */
  readonly title: string;
  /** What to do then. */
  readonly children?: ComponentChildren;
}

export function Empty({ title, children }: Properties) {
  return (
    <div class="empty">
      <h1>{title}</h1>
      {children}
    </div>
  );
}

/** Shown until something has been read. @param text what the page is doing */
export function Waiting({ text }: { readonly text: string }) {
  return (
    <div class="empty">
      <h1 class="waiting">{text}</h1>
    </div>
  );
}
