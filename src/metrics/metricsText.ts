/** Makes the text of many families, which must not hold up the event loop. */
import { setImmediate } from "node:timers/promises";
import { type Family, familyText } from "./exposition.ts";

/** A family of a thousand tasks takes a millisecond or two: the event loop goes on between two of them. */
export async function metricsText(families: readonly Family[]): Promise<string> {
  const texts: string[] = [];
  for (const family of families) {
    texts.push(familyText(family));
    await setImmediate();
  }
  return texts.join("");
}
