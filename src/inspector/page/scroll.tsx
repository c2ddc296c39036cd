/** Content wider than a phone: scrolls on its own, also with the keyboard. */
import type { ComponentChildren } from "preact";

interface Properties {
  readonly label: string;
  readonly children: ComponentChildren;
}

export function Scroll({ label, children }: Properties) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
    <section class="scroll" aria-label={label} tabIndex={0}>
      {children}
    </section>
  );
}
