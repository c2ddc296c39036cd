/** The end of a failed run's output that its history has. Pure. */
import { MASK } from "../machines/events/defineEvent.ts";
import { ending } from "../machines/events/ending.ts";
import type { EventData } from "../machines/events.ts";
import type { StoredEvent } from "../store/eventStore.ts";

export type KeptEnd = NonNullable<EventData<"exited">["kept"]>;

/** @returns undefined if the history has none, or was exported without it */
export function keptEndIn(events: Iterable<Pick<StoredEvent, "type" | "data">>): KeptEnd | undefined {
  for (const { type, data } of events) {
    if (type !== "exited") continue;
    const { kept } = (data ?? {}) as { readonly kept?: unknown };
    const { data: found } = ending.exited.schema.shape.kept.safeParse(kept);
    if (found === undefined || [found.stdout, found.stderr].includes(MASK)) return undefined;
    return found;
  }
  return undefined;
}

/** The last lines of a stream: of standard error, unless the run wrote to standard output only. */
export interface LastLines {
  readonly stream: "stderr" | "stdout";
  /** Oldest first. */
  readonly lines: readonly string[];
}

export function lastLinesOf(kept: KeptEnd, count: number): LastLines {
  const stream = kept.stderr.trim() === "" ? "stdout" : "stderr";
  const lines = kept[stream].split("\n").map((line) => line.trimEnd());
  while (lines.at(-1) === "") lines.pop();
  return { stream, lines: lines.slice(-count) };
}
