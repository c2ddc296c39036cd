/** The page of a task: its outcome and the reason, its history, and any moment of the history. */
import { allocationOf } from "../../../base/taskId.ts";
import type { Sentence } from "../../../history/why/facts.ts";
import type { Steps } from "../../views/stepTable.ts";
import type { MomentView } from "../../views/taskView.ts";
import { isOfDroppedBundle, listPath, sourceQuery } from "../bundle/source.ts";
import { WhatIfPanel } from "../compare/whatIfPanel.tsx";
import { Empty, Waiting } from "../empty.tsx";
import { useKeys } from "../hooks.ts";
import { TaskLanes } from "../lanes/taskLanes.tsx";
import { useAllocation } from "../lanes/useAllocation.ts";
import { type PartProperties, useAnswer } from "../live.ts";
import { LogPanel } from "../logs/logPanel.tsx";
import { choose, chosenNow, goTo, useChoice } from "../navigation.ts";
import { SaveDrawing } from "../saveDrawing.tsx";
import { StatelyLink } from "../stately/statelyLink.tsx";
import { Chart, useChartLayout } from "./chart.tsx";
import { Moment } from "./moment.tsx";
import { Permissions } from "./permissions.tsx";
import { Sandbox } from "./sandbox.tsx";
import { Story } from "./story.tsx";
import { hasFailed, TaskTitle, Verdict } from "./taskHead.tsx";
import { Timeline } from "./timeline.tsx";
import { Usage } from "./usage.tsx";
import { useSteps } from "./visibleSteps.ts";

export function TaskPage({ live: { rows, status, isComplete, eventTypes }, subject: id }: PartProperties) {
  const row = rows.find((each) => each.id === id);
  const query = `id=${encodeURIComponent(id)}${sourceQuery()}`;
  const steps = useSteps(query, row?.events);
  const sentences = useAnswer<Sentence[]>(`/api/why?${query}`, row?.events);
  const layout = useChartLayout();
  const allocation = useAllocation(allocationOf(id), rows);
  const count = steps?.length ?? 0;
  const [seq, chooseStep] = useShownStep(count, row && hasFailed(row) ? lastError(steps) : undefined);
  const moment = useAnswer<MomentView>(seq > 0 ? `/api/moment?${query}&seq=${seq}` : undefined);
  useKeys({ Escape: () => goTo(listPath()) });
  if (row === undefined && status?.ready === true && isComplete) return <NoTask />;
  // Drawn once everything is loaded, so that nothing moves. Only the results of folding a long history may
  // come later, because folding it takes a while.
  const isLong = count > longHistory;
  const isLoaded = isLong || (moment !== undefined && sentences !== undefined);
  if (steps === undefined || row === undefined || layout === undefined || !isLoaded) {
    return <Waiting text="Reading its history…" />;
  }
  return (
    <>
      <TaskTitle row={row} query={query} />
      <Verdict {...{ row, query, sentences }} isOfHost={status?.bundle === false} choose={chooseStep} />
      <Timeline steps={steps} seq={seq} choose={chooseStep} />
      <div class="columns with-chart">
        <div>
          <Story query={query} steps={steps} seq={seq} choose={chooseStep} />
          {moment === undefined ? null : <Moment moment={moment} />}
        </div>
        <section class="card machine" aria-label="State machine">
          <h2 class="with-tools">
            State machine
            <StatelyLink path={["task", id]} />
            <SaveDrawing
              what="the chart"
              name={`${row.task}-chart`}
              drawing={() => document.querySelector<SVGSVGElement>("svg.chart")}
            />
          </h2>
          <Chart layout={layout} steps={steps} seq={seq} />
        </section>
      </div>
      <TaskLanes row={row} view={allocation} time={steps.timeOf(seq)} choose={chooseStep} />
      <Usage query={query} steps={steps} seq={seq} />
      {status?.bundle === false ? (
        <LogPanel
          {...{ id, seq }}
          events={row.events}
          runs={allocation?.tasks.find(({ task }) => task === row.task)?.runs ?? []}
          chooseEvent={chooseStep}
        />
      ) : null}
      {moment === undefined ? null : (
        <WhatIfPanel {...{ query, seq }} type={moment.type} data={moment.data} types={eventTypes} />
      )}
      <Permissions query={query} events={row.events} />
      {moment === undefined ? null : <Sandbox context={moment.context} />}
    </>
  );
}

/** Above this number of events, the page does not wait for the results of folding the history. */
const longHistory = 2_000;

/**
 * The number of the shown step, and a function that shows another step. The arrow keys, Home and End also
 * show another step. The choice is part of the address.
 * @param count number of all steps
 * @param first the step that is shown without a choice; undefined: the newest step
 */
function useShownStep(count: number, first = count): readonly [number, (seq: number) => void] {
  const [event] = useChoice("event");
  const chooseStep = (seq: number) => choose({ event: eventAt(seq, count, first) });
  // Reads the current choice, because keys can come faster than the page is drawn.
  const stepBy = (by: number) => chooseStep(stepIn(count, chosenNow("event"), first) + by);
  useKeys({
    ArrowLeft: () => stepBy(-1),
    ArrowRight: () => stepBy(1),
    Home: () => chooseStep(1),
    End: () => chooseStep(count),
  });
  return [stepIn(count, event, first), chooseStep];
}

/**
 * The number of the shown step, from 1 to `count`.
 * @param event its number in the address; any other text stands for the first shown event
 */
function stepIn(count: number, event: string, first: number): number {
  const seq = Number(event);
  return event !== "" && Number.isInteger(seq) ? Math.min(Math.max(1, seq), count) : first;
}

/**
 * The number in the form of the address: empty for the step that is shown without a choice. If that is the
 * newest step, the page so follows new events.
 */
function eventAt(seq: number, count: number, first: number): string {
  const chosen = Math.min(Math.max(1, seq), count);
  return chosen === first ? "" : String(chosen);
}

/** The last step that is an error; undefined if there is none. */
function lastError(steps: Steps | undefined): number | undefined {
  for (let seq = steps?.length ?? 0; seq >= 1; seq--) if (steps?.isBad(seq)) return seq;
  return undefined;
}

function NoTask() {
  return (
    <Empty title="There is no such task">
      <p>
        {isOfDroppedBundle()
          ? "The inspector may no longer have the task's bundle. It keeps a few bundles in memory until it ends."
          : "Its history may have been removed."}{" "}
        <a href="#/">All tasks</a>
      </p>
    </Empty>
  );
}
