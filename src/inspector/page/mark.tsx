/** A small sign for an outcome. Its shape alone tells the outcome, without the colour. */
import type { Tone } from "../views/outcomeKinds.ts";

const shapes: Readonly<Record<Tone, string>> = {
  good: "M4.5 8.4 7 10.8 11.6 5.6",
  calm: "M5.6 5.6h4.8v4.8h-4.8z",
  bad: "M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2",
  busy: "M8 8h.01",
  unclear: "M6 6.4c0-2.6 4-2.6 4 0 0 1.6-2 1.4-2 3M8 11.8h.01",
};

/** Hidden from screen readers, because the outcome is beside it as text. */
export function Mark({ tone }: { readonly tone: Tone }) {
  return (
    <svg class={`mark ${tone}`} viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <Shape tone={tone} />
    </svg>
  );
}

/** The same sign for use within an SVG drawing. Its size is 16 by 16. */
export function Shape({ tone }: { readonly tone: Tone }) {
  return (
    <>
      <circle cx="8" cy="8" r="7" />
      <path d={shapes[tone]} />
    </>
  );
}
