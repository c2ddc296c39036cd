/** How the task stands, and why: sentences with the events that show them. */
import type { TaskSummary } from "../taskSummary.ts";
import type { TaskView } from "../taskView.ts";
import { Mark } from "./mark.tsx";

interface Properties {
  readonly view: TaskView;
  readonly row: TaskSummary;
  readonly choose: (seq: number) => void;
}

export function Verdict({ view: { outcome, sentences }, row, choose }: Properties) {
  return (
    <section class={`card verdict ${outcome.tone}`} aria-label="How it stands">
      <p class="headline">
        <Mark tone={outcome.tone} />
        {outcome.text}
      </p>
      <p>
        {sentences.map(({ text, events }) => (
          <span key={text}>
            {/* The word joiner keeps the numbers on the line of what they show. */}
            {text}.{"\u2060"}
            <span class="references">
              {events.map((seq) => (
                <button
                  key={seq}
                  type="button"
                  class="reference"
                  aria-label={`Go to event ${seq}`}
                  onClick={() => choose(seq)}
                >
                  {seq}
                </button>
              ))}
            </span>{" "}
          </span>
        ))}
      </p>
      {outcome.tone === "bad" && row.startedAt !== null ? (
        <p>
          What it wrote last: <code>{logCommand(row)}</code>
        </p>
      ) : null}
    </section>
  );
}

function logCommand({ allocation, task, namespace }: TaskSummary): string {
  const where = namespace === "" || namespace === "default" ? "" : ` -namespace ${namespace}`;
  return `nomad alloc logs -stderr -tail${where} ${allocation.slice(0, 8)} ${task}`;
}
