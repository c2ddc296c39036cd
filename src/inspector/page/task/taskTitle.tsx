/** The task's name and figures, and buttons to copy its history. */
import { useEffect, useRef } from "preact/hooks";
import type { TaskSummary } from "../../views/taskSummary.ts";
import { useNow } from "../hooks.ts";
import { ranText } from "../list/find.ts";
import { Facts } from "../table.tsx";
import { CopyButtons } from "./copyButtons.tsx";

interface Properties {
  readonly row: TaskSummary;
  /** Names the task to the API. */
  readonly query: string;
}

export function TaskTitle({ row, query }: Properties) {
  const heading = useRef<HTMLHeadingElement>(null);
  const now = useNow();
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  const facts = [
    ["Job", row.job],
    ["Group", row.group],
    ["Namespace", row.namespace],
    ["User", row.user ?? "–"],
    ["Outcome", row.outcome.kind],
    ["Exit", row.exit ?? "–"],
    ["Ran", ranText(row, now)],
    ["Restarts", String(row.restarts)],
  ] as const;
  return (
    <div class="title">
      <h1 ref={heading} tabIndex={-1}>
        {row.task}
        <code>{row.allocation}</code>
      </h1>
      <CopyButtons query={query} name={row.task} />
      <Facts kind="strip" facts={facts} />
    </div>
  );
}
