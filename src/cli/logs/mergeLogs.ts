/** Events of several logs as one list. Pure. */
import type { StoredEvent } from "../../store/eventStore.ts";

/**
 * Each log keeps its order, which is that of what happened: a clock may have been
 * set back in between. Only which log is the next to tell goes by time.
 */
export function mergeLogs(logs: readonly (readonly StoredEvent[])[]): StoredEvent[] {
  const merged: StoredEvent[] = [];
  const heads = logs.map((events) => ({ events, at: 0 }));
  for (;;) {
    const ready = heads.filter(({ events, at }) => at < events.length);
    const [first, ...others] = ready;
    if (first === undefined) return merged;
    const earliest = others.reduce((a, b) => (timeAt(b) < timeAt(a) ? b : a), first);
    merged.push(earliest.events[earliest.at] as StoredEvent);
    earliest.at += 1;
  }
}

function timeAt({ events, at }: { readonly events: readonly StoredEvent[]; readonly at: number }): number {
  return events[at]?.time ?? 0;
}
