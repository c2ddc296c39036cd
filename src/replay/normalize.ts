/**
 * Data of events, fit to be compared with those of another task: without what
 * differs between any two runs of one and the same task. Pure.
 */
import { traitsOf } from "../machines/events.ts";
import type { Moment } from "./history.ts";

/** Text that is a task's own, and what stands in its place. */
export type TaskWords = readonly (readonly [word: string, instead: string])[];

/** The task's own words: its allocation's folder and id, in the middle of paths too, and a user that was lent to it. */
export function taskWords(moments: Iterable<Moment>): TaskWords {
  for (const { event } of moments) {
    if (event?.type !== "requested") continue;
    const { allocDir, allocId, user } = event.data;
    const lent = /^nomad-\d+$/.test(user);
    const words = [
      [allocDir, "<allocation's folder>"],
      [allocId, "<allocation>"],
      [allocId.slice(0, 8), "<allocation>"],
      [lent ? user : "", "<lent user>"],
    ] as const;
    return words.filter(([word]) => word !== "");
  }
  return [];
}

/** What of an event's data is compared. */
export function normalize(type: string, data: unknown, words: TaskWords): unknown {
  return reduced(data, "", new Set(traitsOf(type)?.fields.ignored), words);
}

function reduced(value: unknown, path: string, ignored: ReadonlySet<string>, words: TaskWords): unknown {
  if (typeof value === "string")
    return words.reduce((text, [word, instead]) => text.replaceAll(word, instead), value);
  if (Array.isArray(value)) return value.map((each) => reduced(each, path, ignored, words));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([name, each]) => [
    name,
    path === "" ? name : `${path}.${name}`,
    each,
  ]);
  return Object.fromEntries(
    entries
      .filter(([, inner]) => !ignored.has(inner as string))
      .map(([name, inner, each]) => [name, reduced(each, inner as string, ignored, words)]),
  );
}
