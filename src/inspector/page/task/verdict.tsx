/** The task's outcome and the reason: sentences with the events that prove them. */
import { shortId } from "../../../taskId.ts";
import type { Sentence } from "../../../why/facts.ts";
import type { TaskSummary } from "../../views/taskSummary.ts";
import { Mark } from "../mark.tsx";

interface Properties {
  readonly row: TaskSummary;
  /** The sentences; undefined while a long history is being read. */
  readonly sentences: readonly Sentence[] | undefined;
  readonly choose: (seq: number) => void;
}

export function Verdict({ row, sentences, choose }: Properties) {
  const { outcome } = row;
  return (
    <section class={`card verdict ${outcome.tone}`} aria-label="Outcome">
      <p class="headline">
        <Mark tone={outcome.tone} />
        {outcome.text}
      </p>
      <p>
        {sentences === undefined ? <span class="faint">Reading its history…</span> : null}
        {sentences?.map((sentence) => (
          <Shown key={sentence.text} sentence={sentence} choose={choose} />
        ))}
      </p>
      {(outcome.tone === "bad" || outcome.tone === "unclear") && row.startedAt !== null ? (
        <p>
          What it wrote last, on a cluster: <code>{logCommand(row)}</code>
        </p>
      ) : null}
    </section>
  );
}

interface ShownProperties {
  readonly sentence: Sentence;
  readonly choose: (seq: number) => void;
}

/** Length above which a word need not be on the same line as the numbers. */
const longWord = 24;

function Shown({ sentence: { text, events }, choose }: ShownProperties) {
  const last = text.lastIndexOf(" ") + 1;
  // Keeps the numbers on the line of the word before them.
  const cut = text.length - last > longWord ? text.length : last;
  return (
    <span>
      {text.slice(0, cut)}
      <span class="references">
        {text.slice(cut)}.
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
  );
}

function logCommand({ allocation, task, namespace }: TaskSummary): string {
  const where = (namespace || "default") === "default" ? "" : ` -namespace ${namespace}`;
  return `nomad alloc logs -stderr -tail${where} ${shortId(allocation)} ${task}`;
}
