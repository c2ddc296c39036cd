/** Edits a line as keys are typed, like a shell. Pure. */
import { isVisible } from "../terminal/keyName.ts";
import type { Prompt } from "./debuggerState.ts";

export function openPrompt(mark: Prompt["mark"], text = ""): Prompt {
  return { mark, text, cursor: text.length, recalled: 0, candidates: [] };
}

/** The prompt after a key: changed, complete (`done`) or `cancelled`. */
export type Typed = Prompt | "done" | "cancelled";

/**
 * Applies a key to a prompt.
 * @param earlier lines of the same kind of prompt, the newest last
 * @param complete returns completions of the last word of a text
 */
export function typeKey(
  prompt: Prompt,
  key: string,
  earlier: readonly string[],
  complete: (text: string) => readonly string[],
): Typed {
  const { text, cursor } = prompt;
  const [before, after] = [text.slice(0, cursor), text.slice(cursor)];
  const becomes = (left: string, right: string): Prompt => ({
    ...prompt,
    text: left + right,
    cursor: left.length,
    candidates: [],
  });
  switch (key) {
    case "return":
      return "done";
    case "escape":
    case "C-c":
    case "C-g":
      return "cancelled";
    case "backspace":
    case "C-h":
      return text === "" ? "cancelled" : becomes(withoutLast(before), after);
    case "C-d":
      return text === "" ? "cancelled" : becomes(before, withoutFirst(after));
    case "delete":
      return becomes(before, withoutFirst(after));
    case "C-u":
      return becomes("", after);
    case "C-k":
      return becomes(before, "");
    case "C-w":
      return becomes(before.replace(/\S*\s*$/, ""), after);
    case "left":
    case "C-b":
      return becomes(withoutLast(before), text.slice(withoutLast(before).length));
    case "right":
    case "C-f": {
      const left = text.slice(0, text.length - withoutFirst(after).length);
      return becomes(left, withoutFirst(after));
    }
    case "home":
    case "C-a":
      return becomes("", text);
    case "end":
    case "C-e":
      return becomes(text, "");
    case "up":
    case "C-p":
      return recall(prompt, earlier, prompt.recalled + 1);
    case "down":
    case "C-n":
      return recall(prompt, earlier, prompt.recalled - 1);
    case "tab":
      return completed(prompt, complete(before));
    default:
      return isVisible(key) ? becomes(before + key, after) : prompt;
  }
}

function recall(prompt: Prompt, earlier: readonly string[], back: number): Prompt {
  if (back < 0 || back > earlier.length) return prompt;
  const text = earlier.at(-back) ?? "";
  const recalled = back === 0 ? "" : text;
  return { ...prompt, text: recalled, cursor: recalled.length, recalled: back, candidates: [] };
}

/** Completes the word to the candidates' common prefix. Shows the candidates if there are several. */
function completed(prompt: Prompt, candidates: readonly string[]): Prompt {
  const [first] = candidates;
  if (first === undefined) return { ...prompt, candidates: [] };
  const word = wordBefore(prompt.text.slice(0, prompt.cursor));
  const shared = candidates.reduce((common, each) => {
    let length = 0;
    while (length < common.length && common[length] === each[length]) length += 1;
    return common.slice(0, length);
  }, first);
  const left = prompt.text.slice(0, prompt.cursor - word.length) + shared;
  return {
    ...prompt,
    text: left + prompt.text.slice(prompt.cursor),
    cursor: left.length,
    candidates: candidates.length === 1 ? [] : candidates,
  };
}

/** The word at the end of a text. */
export function wordBefore(text: string): string {
  return /[\w.-]*$/.exec(text)?.[0] ?? "";
}

/** Removes a whole character, which may be several code units. */
function withoutLast(text: string): string {
  return text.replace(/.\p{M}*$/su, "");
}

function withoutFirst(text: string): string {
  return text.replace(/^.\p{M}*/su, "");
}
