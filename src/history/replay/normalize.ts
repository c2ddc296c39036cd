/**
 * Normalizes data of events for a comparison between tasks: removes what differs between any two runs of the
 * same task. Pure.
 */

import { shortId } from "../../base/taskId.ts";
import { type EventData, traitsOf } from "../../machines/events.ts";
import type { Moment } from "./history.ts";

/** Texts that are specific to a task, each with its placeholder. */
export type TaskWords = readonly (readonly [word: string, placeholder: string])[];

/** The words of the task whose moments these are. */
export function taskWords(moments: Iterable<Moment>): TaskWords {
  for (const { event } of moments) if (event?.type === "requested") return wordsOf(event.data);
  return [];
}

/** Texts specific to a task: its allocation's folder and id, also within paths, and its dynamic user. */
export function wordsOf({ allocDir, allocId, user }: EventData<"requested">): TaskWords {
  const words = [
    [allocDir, "<allocation's folder>"],
    [allocId, "<allocation>"],
    [shortId(allocId), "<allocation>"],
    [isDynamicUser(user) ? user : "", "<dynamic user>"],
  ] as const;
  return words.filter(([word]) => word !== "");
}

/** Whether it is one of the client's users of no account, of which each allocation gets others. */
export function isDynamicUser(user: string): boolean {
  return /^nomad-\d+$/.test(user);
}

/** The part of an event's data that is compared. */
export function normalize(type: string, data: unknown, words: TaskWords): unknown {
  return reduced(data, "", new Set(traitsOf(type)?.fields.ignored), words);
}

function reduced(value: unknown, path: string, ignored: ReadonlySet<string>, words: TaskWords): unknown {
  if (typeof value === "string")
    return words.reduce((text, [word, placeholder]) => text.replaceAll(word, placeholder), value);
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
