/** A small sign for an outcome. Its shape shows the outcome, not its colour alone. */
import type { Outcome } from "../views/outcome.ts";

const shapes: Readonly<Record<Outcome["tone"], string>> = {
  good: "M4.5 8.4 7 10.8 11.6 5.6",
  bad: "M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2",
  busy: "M8 8h.01",
};

/** Hidden from screen readers, since the same stands beside it as text. */
export function Mark({ tone }: { readonly tone: Outcome["tone"] }) {
  return (
    <svg class={`mark ${tone}`} viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <Shape tone={tone} />
    </svg>
  );
}

/** The same within a drawing, 16 by 16. */
export function Shape({ tone }: { readonly tone: Outcome["tone"] }) {
  return (
    <>
      <circle cx="8" cy="8" r="7" />
      <path d={shapes[tone]} />
    </>
  );
}
