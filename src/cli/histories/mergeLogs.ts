/** Merges events of several logs. Pure. */
import type { StoredEvent } from "../../store/eventStore.ts";

/**
 * Merges by time, but keeps the order within each log: a clock may have been set
 * back, so times within a log may decrease.
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
