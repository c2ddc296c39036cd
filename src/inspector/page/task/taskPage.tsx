/** One task: its outcome and the reason, its history, and any moment of that. */
import { useState } from "preact/hooks";
import type { TaskSummary } from "../../views/taskSummary.ts";
import type { MomentView } from "../../views/taskView.ts";
import { useKeys } from "../hooks.ts";
import { useAnswer } from "../live.ts";
import { Chart, useChartLayout } from "./chart.tsx";
import { Moment } from "./moment.tsx";
import { Sandbox } from "./sandbox.tsx";
import { Story } from "./story.tsx";
import { TaskTitle } from "./taskTitle.tsx";
import { useTaskView } from "./taskView.ts";
import { Timeline } from "./timeline.tsx";
import { Verdict } from "./verdict.tsx";

interface Properties {
  readonly id: string;
  readonly row: TaskSummary | undefined;
  /** Whether all stored tasks are loaded. */
  readonly ready: boolean;
}

export function TaskPage({ id, row, ready }: Properties) {
  const query = `id=${encodeURIComponent(id)}`;
  const view = useTaskView(query, row?.events);
  const layout = useChartLayout();
  /** Undefined follows the newest step. */
  const [chosen, setChosen] = useState<number>();
  const count = view?.steps.length ?? 0;
  const seq = Math.min(chosen ?? count, count);
  const moment = useAnswer<MomentView>(seq > 0 ? `/api/moment?${query}&seq=${seq}` : undefined);
  const go = (to: (before: number) => number) =>
    // Works on the latest choice: keys can come faster than the page is drawn.
    setChosen((before) => clampStep(to(before ?? count), count));
  useKeys({
    Escape: () => {
      location.hash = "#/";
    },
    ArrowLeft: () => go((before) => before - 1),
    ArrowRight: () => go((before) => before + 1),
    Home: () => go(() => 1),
    End: () => go(() => count),
  });
  if (row === undefined && ready) return <NoTask />;
  // Drawn once everything is loaded, so that nothing moves.
  if (view === undefined || row === undefined || layout === undefined || moment === undefined) {
    return <p class="empty">Reading its history…</p>;
  }
  const state = view.steps[seq - 1]?.to ?? "pending";
  const choose = (to: number) => go(() => to);
  return (
    <>
      <TaskTitle row={row} query={query} />
      <Verdict view={view} row={row} choose={choose} />
      <Timeline steps={view.steps} seq={seq} choose={choose} />
      <div class="columns">
        <div>
          <Story steps={view.steps} seq={seq} choose={choose} />
          <Moment moment={moment} />
        </div>
        <section class="card" aria-label="State machine">
          <h2>State machine</h2>
          <Chart layout={layout} steps={view.steps.slice(0, seq)} state={state} />
        </section>
      </div>
      <Sandbox context={moment.context} />
    </>
  );
}

/** Limits a step to the history; the last one becomes undefined, which follows the newest. */
function clampStep(seq: number, count: number): number | undefined {
  return seq >= count ? undefined : Math.max(1, seq);
}

function NoTask() {
  return (
    <p class="empty">
      There is no such task, or its history was removed. <a href="#/">All tasks</a>
    </p>
  );
}
