/**
 * Makes unsafe characters visible in every text of the page: names in histories may, for example, reverse the
 * direction of writing.
 */
import { options, type VNode } from "preact";
import { visible, visibleLines } from "../../units/visible.ts";

/** Attributes that browsers show or read aloud. */
const shownAttributes = ["title", "aria-label", "aria-valuetext"];

/** To be called once, before the page is rendered. Applies to every component. */
export function showVisibleText(): void {
  const before = options.vnode;
  options.vnode = (vnode) => {
    makeVisible(vnode);
    before?.(vnode);
  };
}

function makeVisible(vnode: VNode): void {
  const props = vnode.props as unknown;
  // A text node has no type, and its properties are the text itself. Newlines stay: only `pre` shows them,
  // and there they belong to the text.
  if (typeof props === "string") (vnode as { props: unknown }).props = visibleLines(props);
  if (typeof vnode.type !== "string") return;
  const attributes = props as Record<string, unknown>;
  for (const name of shownAttributes) {
    const text = attributes[name];
    if (typeof text === "string") attributes[name] = visible(text);
  }
}
