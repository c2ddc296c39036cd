/**
 * Renders a page of the inspector. Makes unsafe characters visible in all of its texts: a name in a history may,
 * for example, reverse the direction of the text.
 */
import { options, render, type VNode } from "preact";
import { visible, visibleLines } from "../../units/visible.ts";

/** Attributes that browsers show or read aloud. */
const shownAttributes = ["title", "aria-label", "aria-valuetext"];

function makeVisible(vnode: VNode): void {
  const props = vnode.props as unknown;
  // The properties of a text node are the text itself. Newlines stay: only `pre` shows them, and there they
  // belong to the text.
  if (typeof props === "string") (vnode as { props: unknown }).props = visibleLines(props);
  if (typeof vnode.type !== "string") return;
  const attributes = props as Record<string, unknown>;
  for (const name of shownAttributes) {
    const text = attributes[name];
    if (typeof text === "string") attributes[name] = visible(text);
  }
}

/** Draws a page in the place that its document has for it. */
export function draw(page: VNode): void {
  options.vnode = makeVisible;
  const place = document.getElementById("page");
  if (place !== null) render(page, place);
}
