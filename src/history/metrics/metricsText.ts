/** Makes the text of many metric families, in batches, so that the event loop is not held up. */
import { setImmediate } from "node:timers/promises";
import { type Family, familyLines } from "./exposition.ts";

/** Lines to make in one turn of the event loop: a fraction of a millisecond. */
const batch = 250;

export async function metricsText(families: readonly Family[]): Promise<string> {
  const texts: string[] = [];
  let text = "";
  let lines = 0;
  for (const family of families) {
    for (const line of familyLines(family)) {
      text += line;
      lines += 1;
      if (lines % batch !== 0) continue;
      texts.push(text);
      text = "";
      await setImmediate();
    }
  }
  return [...texts, text].join("");
}
