/** Buttons that several parts of the page share. */
import type { ComponentChildren } from "preact";

interface ToolProperties {
  readonly title: string;
  /** The button's name, if its content is only a sign. */
  readonly label?: string;
  readonly isOff?: boolean;
  readonly act: () => void;
  readonly children: ComponentChildren;
}

/** A button that does nothing while it is off. */
export function Tool({ title, label, isOff = false, act, children }: ToolProperties) {
  return (
    <button
      type="button"
      title={title}
      aria-label={label}
      // Not the attribute `disabled`, because a disabled button loses the focus.
      aria-disabled={isOff}
      onClick={() => isOff || act()}
    >
      {children}
    </button>
  );
}

interface LinkProperties {
  readonly act: () => void;
  readonly children: ComponentChildren;
}

/** A button within a text, which looks like a link. */
export function LinkButton({ act, children }: LinkProperties) {
  return (
    <button type="button" class="as-link" onClick={act}>
      {children}
    </button>
  );
}
