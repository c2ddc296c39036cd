/** An allocation's view, fetched again when its tasks change. */
import { useEffect, useState } from "preact/hooks";
import type { AllocationView } from "../../views/allocationView.ts";
import type { TaskSummary } from "../../views/taskSummary.ts";
import { sourceQuery } from "../bundle/source.ts";
import { useAnswer } from "../live.ts";

/** Minimum time between two fetches, for tasks that change all the time. */
const everyMs = 250;

/** Undefined while the view is loading, and if there is no such allocation. */
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

/** Limits how often a value changes. The last value always arrives. */
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
