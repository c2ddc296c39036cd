/** Names of keys. Pure. */
import type { Key } from "node:readline";

/** Stands for the end of the input. No key comes after it. */
export const endKey = "end of input";

/**
 * A visible character is its own name, and so is the space. Other keys have names
 * such as `return`, `escape`, `up` and `pagedown`, with the prefix `C-` for Ctrl,
 * `S-` for Shift and `M-` for Alt. A key without a name is named by its bytes.
 */
export function keyName(text: string | undefined, { name, ctrl, shift, meta, sequence }: Key): string {
  if (text !== undefined && !ctrl && !meta && isVisible(text)) return text;
  const plain = name === "enter" ? "return" : name;
  if (plain === undefined || plain === "undefined") return sequence ?? "";
  const modifiers = [ctrl && "C-", meta && plain !== "escape" && "M-", shift && "S-"];
  return modifiers.filter((each) => typeof each === "string").join("") + plain;
}

/** Whether the key is one visible character, of any number of code units. */
export function isVisible(key: string): boolean {
  return /^[^\p{Cc}\p{Cf}\p{Cs}]\p{M}*$/u.test(key);
}
