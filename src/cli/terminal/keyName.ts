/** Names of keys. Pure. */
import type { Key } from "node:readline";

/** What the end of the input is called: nobody can press a key any more. */
export const endKey = "end of input";

/**
 * A character that can be seen is its own name, and so is the space; others are
 * `return`, `escape`, `up`, `pagedown` and the like, with `C-` before them for
 * Ctrl, `S-` for Shift and `M-` for Alt. What has no name has its bytes as one.
 */
export function keyName(text: string | undefined, { name, ctrl, shift, meta, sequence }: Key): string {
  if (text !== undefined && !ctrl && !meta && isVisible(text)) return text;
  const plain = name === "enter" ? "return" : name;
  if (plain === undefined || plain === "undefined") return sequence ?? "";
  const modifiers = [ctrl && "C-", meta && plain !== "escape" && "M-", shift && "S-"];
  return modifiers.filter((each) => typeof each === "string").join("") + plain;
}

/** One character, of however many code units. */
export function isVisible(key: string): boolean {
  return /^[^\p{Cc}\p{Cf}\p{Cs}]\p{M}*$/u.test(key);
}
