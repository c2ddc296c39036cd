/** The line of the prompt. Pure. */
import { cellsOf } from "../../../units/widths.ts";
import { type Line, span, visible } from "../../terminal/spans.ts";
import type { Prompt } from "../debuggerState.ts";

/** A character, so that it is visible without colours, too. */
const cursorSign = "▏";

/** Keeps the text just before the cursor visible. */
export function promptLine({ mark, text, cursor }: Prompt, columns: number): Line {
  const [before, after] = [visible(text.slice(0, cursor)), visible(text.slice(cursor))];
  const room = Math.max(1, columns - 3);
  const characters = [...before];
  let start = 0;
  while (cellsOf(characters.slice(start).join("")) > room) start += 1;
  return [
    span(start === 0 ? mark : "…", "bold"),
    span(characters.slice(start).join("")),
    span(cursorSign, "cyan"),
    span(after),
  ];
}
