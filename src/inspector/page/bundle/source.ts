/**
 * The source of the page's tasks: the inspector's logs, or a bundle that was dropped onto the page. The
 * choice `in` of the address names the bundle.
 */
import { useMemo } from "preact/hooks";
import type { TaskSummary } from "../../views/taskSummary.ts";
import { type Choices, linkTo } from "../address.ts";
import { type Live, useFetched } from "../live.ts";
import { chosenNow, useChoice } from "../navigation.ts";

/** The part of an API query that names the source; empty for the inspector's own tasks. */
export function sourceQuery(): string {
  const key = chosenNow("in");
  return key === "" ? "" : `&in=${encodeURIComponent(key)}`;
}

/** Whether the page shows a task of a bundle that was dropped onto it. */
export function isOfDroppedBundle(): boolean {
  return chosenNow("in") !== "";
}

/** A link to a task or an allocation of the current source. */
export function linkWithin(path: readonly string[], choices: Choices = {}): string {
  return linkTo(path, { ...choices, in: chosenNow("in") });
}

/** A link to the comparison of two runs of the current source. */
export function compareLink(a: string, b: string): string {
  const key = chosenNow("in");
  return linkTo(["compare"], { a, b, ain: key, bin: key });
}

/** The path of the list to which a task's page belongs. */
export function listPath(): readonly string[] {
  const key = chosenNow("in");
  return key === "" ? [] : ["bundle", key];
}

/** The live data. If the address names a bundle, the bundle's tasks replace the inspector's own. */
export function useSource(live: Live): Live {
  const [key] = useChoice("in");
  const { rows, isGone } = useBundleRows(key);
  return useMemo(() => {
    if (key === "" || live.status === undefined) return live;
    const status = { ...live.status, bundle: true, ready: rows !== undefined || isGone, problems: [] };
    return { ...live, status, isComplete: rows !== undefined || isGone, rows: rows ?? [] };
  }, [live, key, rows, isGone]);
}

interface BundleRows {
  /** Tasks of a dropped bundle, the newest first. Undefined without a bundle, or while they are loading. */
  readonly rows: readonly TaskSummary[] | undefined;
  /** Whether the inspector no longer has the bundle. `rows` is undefined then. */
  readonly isGone: boolean;
}

export function useBundleRows(key: string): BundleRows {
  const { answer, isError } = useFetched<TaskSummary[]>(
    key === "" ? undefined : `/api/tasks?in=${encodeURIComponent(key)}`,
  );
  const rows = useMemo(() => answer?.toSorted((a, b) => b.begunAt - a.begunAt), [answer]);
  return { rows, isGone: isError };
}
