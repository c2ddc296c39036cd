/** Texts in place of a part that has nothing to show, or is still loading. */
import type { ComponentChildren } from "preact";

interface Properties {
  /** What is missing, such as `There is no such task`. */
  readonly title: string;
  /** Advice, such as how to get something to show. */
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

/** Shown while something is being read. @param text what the page is doing */
export function Waiting({ text }: { readonly text: string }) {
  return (
    <div class="empty">
      <h1 class="waiting">{text}</h1>
    </div>
  );
}
