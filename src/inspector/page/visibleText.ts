/** Makes every text of the page visible: names in histories may turn the direction of writing around. */
import { options, type VNode } from "preact";
import { visible, visibleLines } from "../../units/visible.ts";

/** Attributes that browsers show or read aloud. */
const shownAttributes = ["title", "aria-label", "aria-valuetext"];

/** From this call on, whatever component a text stands in. */
export function showVisibleText(): void {
  const before = options.vnode;
  options.vnode = (vnode) => {
    makeVisible(vnode);
    before?.(vnode);
  };
}

function makeVisible(vnode: VNode): void {
  const props = vnode.props as unknown;
  // The node of a text has no type, and the text for its properties. Only `pre` shows newlines, and they are its own.
  if (typeof props === "string") (vnode as { props: unknown }).props = visibleLines(props);
  if (typeof vnode.type !== "string") return;
  const attributes = props as Record<string, unknown>;
  for (const name of shownAttributes) {
    const text = attributes[name];
    if (typeof text === "string") attributes[name] = visible(text);
  }
}
