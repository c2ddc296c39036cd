/** What happened, a line a step, requests with their outcomes. */
import { formatSpan, formatTime } from "../../cli/terminal/time.ts";
import type { TaskView } from "../taskView.ts";

interface Properties {
  readonly view: TaskView;
  readonly seq: number;
  readonly choose: (seq: number) => void;
}

export function Story({ view: { steps, chapters }, seq, choose }: Properties) {
  return (
    <section class="story" aria-label="What happened">
      {chapters.map(({ title, from, to, bad }) => (
        <div key={from}>
          <h3 class={bad ? "bad" : ""}>{title}</h3>
          <ol start={from}>
            {steps.slice(from - 1, to).map((step) => (
              <li key={step.seq} class={step.bad ? "bad" : ""}>
                <button
                  type="button"
                  aria-current={step.seq === seq ? "step" : undefined}
                  title={formatTime(step.time)}
                  onClick={() => choose(step.seq)}
                >
                  <span class="since">
                    {step.since === null ? "" : `+${formatSpan(Math.max(0, step.since))}`}
                  </span>
                  <span>
                    <b>{step.title}</b>: {step.text}
                  </span>
                </button>
              </li>
            ))}
          </ol>
        </div>
      ))}
    </section>
  );
}
