/** One task: how it stands and why, what happened, and any moment of it. */
import { useEffect, useState } from "preact/hooks";
import type { TaskSummary } from "../taskSummary.ts";
import type { MomentView, TaskView } from "../taskView.ts";
import { Chart } from "./chart.tsx";
import { CopyButtons } from "./copyButtons.tsx";
import { useAnswer } from "./live.ts";
import { Moment } from "./moment.tsx";
import { Story } from "./story.tsx";
import { Timeline } from "./timeline.tsx";

export function TaskPage({ id, row }: { readonly id: string; readonly row: TaskSummary | undefined }) {
  const query = `id=${encodeURIComponent(id)}`;
  const view = useAnswer<TaskView>(`/api/task?${query}`, row?.events);
  /** Undefined: the newest, whichever that is. */
  const [chosen, setChosen] = useState<number>();
  const count = view?.steps.length ?? 0;
  const seq = Math.min(chosen ?? count, count);
  const moment = useAnswer<MomentView>(seq > 0 ? `/api/moment?${query}&seq=${seq}` : undefined);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.target instanceof HTMLInputElement) return;
      if (event.key === "Escape") location.hash = "#/";
      const move = { ArrowLeft: -1, ArrowRight: 1, Home: -count, End: count }[event.key];
      if (move === undefined || event.ctrlKey || event.altKey) return;
      event.preventDefault();
      // Keys come quicker than the page is drawn.
      setChosen((before = count) => Math.min(count, Math.max(1, before + move)));
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [count]);
  if (view === undefined)
    return <p class="empty">Reading its history… If it stays so, there is no such task.</p>;
  const { headline, advice, tone } = view.diagnosis;
  const state = view.steps[seq - 1]?.to ?? "pending";
  return (
    <>
      <div class="title">
        <h2>{row?.task ?? id}</h2>
        <span>
          job {row?.job}, allocation <code>{row?.allocation}</code>
        </span>
        <CopyButtons query={query} name={row?.task ?? "task"} />
      </div>
      <section class={`diagnosis ${tone}`} aria-label="How it stands">
        <strong>{headline}</strong>
        {advice ? <p>{advice}</p> : null}
      </section>
      <Timeline steps={view.steps} seq={seq} choose={setChosen} />
      <div class="columns">
        <Story view={view} seq={seq} choose={setChosen} />
        <Chart steps={view.steps.slice(0, seq)} state={state} />
      </div>
      {moment === undefined ? null : <Moment moment={moment} />}
    </>
  );
}
