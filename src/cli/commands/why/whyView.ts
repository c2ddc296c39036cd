/** Explanations as text. Pure. */

import type { LastLines } from "../../../history/keptEnd.ts";
import type { Explanation } from "../../../history/why/explain.ts";
import type { Sentence } from "../../../history/why/facts.ts";
import { visible } from "../../../units/visible.ts";
import { wrap } from "../../../units/widths.ts";
import { jsonOf } from "../../terminal/json.ts";
import type { Style } from "../../terminal/style.ts";

/**
 * A note on the task's other runs, a heading, one paragraph with the events' numbers in brackets, and the last lines of
 * the output, if the history has them.
 */
export function whyText(
  { id, task, job, state, result, sentences, lastLines }: Explanation,
  note: string | undefined,
  style: Style,
  width: number,
): string {
  const heading = `${style.bold(visible(task))} of job ${visible(job)}, ${visible(id)}: ${visible(result ?? state)}`;
  const paragraph = sentences.map((each) => sentenceText(each, style)).join(" ");
  const first = note === undefined ? "" : `${wrap(note, width).map(style.dim).join("\n")}\n`;
  const last = lastLines === undefined ? "" : `\n\n${linesText(lastLines, style)}`;
  return `${first}${heading}\n\n${wrap(paragraph, width).join("\n")}${last}`;
}

function linesText({ stream, lines }: LastLines, style: Style): string {
  return [style.dim(`Its last lines on ${stream}:`), ...lines.map((line) => `  ${visible(line)}`)].join("\n");
}

/** The whole explanation as one JSON object. */
export function whyJson(explanation: Explanation): string {
  return jsonOf("why", explanation);
}

function sentenceText({ text, events, count }: Sentence, style: Style): string {
  if (count === 0) return `${text}.`;
  const numbers = count > events.length ? `${events.join("…")}, ${count} events` : events.join(",");
  return `${text} ${style.dim(`[${numbers}]`)}.`;
}
