/** An allocation's view, fetched anew as its tasks change. */
import { useEffect, useState } from "preact/hooks";
import type { AllocationView } from "../../views/allocation/allocationView.ts";
import type { TaskSummary } from "../../views/taskSummary.ts";
import { sourceQuery } from "../bundle/source.ts";
import { useAnswer } from "../live.ts";

/** A task that changes at every moment is fetched no more often than this. */
const everyMs = 250;

/** Undefined while it is loaded, and if there is no such allocation. */
export function useAllocation(allocation: string, rows: readonly TaskSummary[]): AllocationView | undefined {
  const own = rows.filter((row) => row.allocation === allocation);
  const events = useSlowly(
    own.reduce((sum, row) => sum + row.events, own.length),
    everyMs,
  );
  const address =
    events === 0 ? undefined : `/api/allocation?id=${encodeURIComponent(allocation)}${sourceQuery()}`;
  return useAnswer<AllocationView>(address, events);
}

/** A value that changes no more often than that, and is the latest one in the end. */
function useSlowly<T>(value: T, ms: number): T {
  const [shown, setShown] = useState({ value, since: 0 });
  useEffect(() => {
    if (Object.is(shown.value, value)) return undefined;
    const timer = setTimeout(
      () => setShown({ value, since: Date.now() }),
      Math.max(0, shown.since + ms - Date.now()),
    );
    return () => clearTimeout(timer);
  }, [value, shown, ms]);
  return shown.value;
}
