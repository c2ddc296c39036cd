/**
 * The source of the page's tasks: the inspector's logs, or a bundle that was dropped onto the page. The
 * choice `in` of the address names the bundle.
 */
import { useMemo } from "preact/hooks";
import type { TaskSummary } from "../../views/taskSummary.ts";
import { type Choices, linkTo } from "../address.ts";
import { type Live, useAnswer } from "../live.ts";
import { chosenNow, useChoice } from "../navigation.ts";

/** The part of an API query that names the source; empty for the inspector's own tasks. */
export function sourceQuery(): string {
  const key = chosenNow("in");
  return key === "" ? "" : `&in=${encodeURIComponent(key)}`;
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
  const rows = useBundleRows(key);
  return useMemo(() => {
    if (key === "" || live.status === undefined) return live;
    const status = { ...live.status, bundle: true, ready: rows !== undefined, problems: [] };
    return { ...live, status, rows: rows ?? [] };
  }, [live, key, rows]);
}

/**
 * Tasks of a dropped bundle, the newest first. Undefined without a bundle, while the tasks are loading, or if
 * the inspector no longer has the bundle.
 */
export function useBundleRows(key: string): readonly TaskSummary[] | undefined {
  const rows = useAnswer<TaskSummary[]>(key === "" ? undefined : `/api/tasks?in=${encodeURIComponent(key)}`);
  return useMemo(() => rows?.toSorted((a, b) => b.begunAt - a.begunAt), [rows]);
}
