/** The line that is being typed. Pure. */
import { cellsOf } from "../../../units/widths.ts";
import { type Line, span, visible } from "../../terminal/spans.ts";
import type { Prompt } from "../debuggerState.ts";

/** It can be seen without colours, too. */
const cursorSign = "▏";

/** The end of what is before the cursor is always seen. */
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
