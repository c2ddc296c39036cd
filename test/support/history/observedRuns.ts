/** Observed runs of a task, in an inspector's log. */
import type { TaskEvent } from "../../../src/machines/events.ts";
import { type Inspected, idOf } from "../screen/inspector.ts";
import { event, life } from "./history.ts";

/** A name in a path that the first of the runs used. */
export const secretName = "a-secret-name";
export const begunAt = new Date(2026, 10, 1).getTime();
const unveil = ["r:/etc/mime.types", "rw:/srv/shop", "r:/srv/planted"];

/** Records runs of a task, of which the first uses more than the others. */
export async function recordObservedRuns({ record }: Inspected, runs: number): Promise<readonly string[]> {
  const ids = Array.from({ length: runs }, (_, index) => idOf(index + 1));
  for (const [index, id] of ids.entries()) {
    const paths = ["r:/etc/mime.types", ...(index === 0 ? [`r:/srv/shop/${secretName}`] : [])];
    const events: TaskEvent[] = [
      event("requested", { options: { command: "python3", args: [], unveil } }),
      ...life("ended").slice(1, 4),
      ...(index === 0 ? [event("denied")] : []),
      event("observed", { paths, connects: [], binds: [], ports: [] }),
      event("exited"),
    ];
    await record(
      id,
      events.map((each) => {
        const data = { ...each.data, ...(each.type === "sandboxed" && { unveiled: unveiledOf(unveil) }) };
        return { ...each, time: begunAt + index * 60_000, data } as TaskEvent;
      }),
    );
  }
  return ids;
}

function unveiledOf(entries: readonly string[]) {
  return entries.map((entry) => {
    const [mode = "", path = ""] = entry.split(":");
    return { path, mode, source: "task" };
  });
}
