/** The head of a task's page: name, figures, buttons to copy the history, and the outcome with its reason. */

import { useEffect, useRef, useState } from "preact/hooks";
import { allocationIndex, shortId } from "../../../base/taskId.ts";
import { goodRunWords, type Sentence } from "../../../history/why/facts.ts";
import type { LogTail } from "../../views/answers.ts";
import type { TaskSummary } from "../../views/taskSummary.ts";
import { ask } from "../api.ts";
import { linkWithin } from "../bundle/source.ts";
import { LinkButton } from "../buttons.tsx";
import { useNow } from "../hooks.ts";
import { labelOf, ranText } from "../list/find.ts";
import { useAnswer } from "../live.ts";
import { Mark } from "../mark.tsx";
import { choose as chooseInAddress } from "../navigation.ts";
import { saveBlob } from "../saveDrawing.tsx";
import { Facts } from "../table.tsx";

interface TitleProperties {
  readonly row: TaskSummary;
  /** The query string that names the task in requests to the API. */
  readonly query: string;
}

export function TaskTitle({ row, query }: TitleProperties) {
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
        {labelOf(row)}
        <code>{row.allocation}</code>
      </h1>
      <CopyButtons query={query} name={row.task} />
      <Facts kind="strip" facts={facts} />
    </div>
  );
}

const kinds = {
  bundle: { label: "Bundle", file: "jsonl" },
  events: { label: "JSON", file: "json" },
  mermaid: { label: "Mermaid", file: "mmd" },
} as const;
type Kind = keyof typeof kinds;

/** Copies or saves the history as a bundle with its proof, as JSON, or as a diagram. */
function CopyButtons({ query, name }: { readonly query: string; readonly name: string }) {
  const [notice, setNotice] = useState("");
  const copy = async (kind: Kind) => {
    // Browsers let a page write to the clipboard only in a secure context: HTTPS or localhost.
    if (!isSecureContext) return save(kind);
    // Passed to the clipboard as a promise: the click's permission may expire before the text is loaded.
    await navigator.clipboard.write([new ClipboardItem({ "text/plain": load(kind) })]);
    setNotice(`${kinds[kind].label} copied, arguments masked`);
  };
  const load = async (kind: Kind) => {
    const response = await ask(`/api/${kind}?${query}`);
    if (!response.ok) throw new Error(await response.text());
    return new Blob([await response.text()], { type: "text/plain" });
  };
  const save = async (kind: Kind) => {
    const { label, file } = kinds[kind];
    saveBlob(await load(kind), `${name}.${file}`);
    setNotice(`${label} saved, arguments masked`);
  };
  return (
    <div class="copy">
      <fieldset>
        <legend>Copy</legend>
        {(Object.keys(kinds) as Kind[]).map((kind) => (
          <button
            key={kind}
            type="button"
            onClick={() => void copy(kind).catch(() => setNotice("The browser does not allow copying"))}
          >
            {kinds[kind].label}
          </button>
        ))}
      </fieldset>
      <fieldset>
        <legend>Save</legend>
        {(Object.keys(kinds) as Kind[]).map((kind) => (
          <button
            key={kind}
            type="button"
            aria-label={`Save as ${kinds[kind].label}`}
            onClick={() => save(kind)}
          >
            {kinds[kind].label}
          </button>
        ))}
      </fieldset>
      <span role="status">{notice}</span>
    </div>
  );
}

interface VerdictProperties {
  readonly row: TaskSummary;
  /** The query string that names the task in requests to the API. */
  readonly query: string;
  /** Whether the files of the task's output may be on this host. */
  readonly isOfHost: boolean;
  /** The sentences; undefined while a long history is being read. */
  readonly sentences: readonly Sentence[] | undefined;
  readonly choose: (seq: number) => void;
}

/** The outcome and the reason: sentences with the events that prove them. */
export function Verdict({ row, query, isOfHost, sentences, choose }: VerdictProperties) {
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
      {hasFailed(row) && row.startedAt !== null ? (
        isOfHost ? (
          <LastOutput row={row} query={query} />
        ) : (
          <Command row={row} />
        )
      ) : null}
    </section>
  );
}

/** Whether the task's page is about a failure. */
export function hasFailed({ outcome }: TaskSummary): boolean {
  return outcome.tone === "bad" || outcome.tone === "unclear";
}

/** The last lines that a failed run wrote itself, as long as its files exist. */
function LastOutput({ row, query }: { readonly row: TaskSummary; readonly query: string }) {
  const tail = useAnswer<LogTail>(`/api/log/tail?${query}`, row.events);
  if (tail === undefined) return <p class="faint">Reading its output…</p>;
  const { stream, lines, problem, kept = false } = tail;
  if (problem !== null) {
    return allocationIndex(row.allocation) === undefined ? (
      <Command row={row} />
    ) : (
      <p class="faint">{`No output: ${problem}. run --keep keeps the folder.`}</p>
    );
  }
  return lines.length === 0 ? (
    <p class="faint">It wrote nothing.</p>
  ) : (
    <div class="tail">
      <p>
        Its last lines on {stream}
        {kept ? ", from its history" : ""},{" "}
        <LinkButton act={() => showOutput(stream)}>with the lines before them</LinkButton>
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard */}
      <section class="code" aria-label="Last lines of its output" tabIndex={0}>
        <pre>{lines.join("\n")}</pre>
      </section>
    </div>
  );
}

/** Opens the panel of the output, and scrolls to it. */
function showOutput(stream: string): void {
  chooseInAddress({ log: stream, line: "", find: "" });
  document.querySelector(".output")?.scrollIntoView();
}

/** Where else the output of a task of an agent may be. */
function Command({ row }: { readonly row: TaskSummary }) {
  if (allocationIndex(row.allocation) !== undefined) return null;
  return (
    <p>
      Its last output, from its agent: <code>{logCommand(row)}</code>
    </p>
  );
}

interface ShownProperties {
  readonly sentence: Sentence;
  readonly choose: (seq: number) => void;
}

/** Length above which a word need not be on the same line as the event numbers after it. */
const longWord = 24;

function Shown({ sentence: { text, events, goodRun }, choose }: ShownProperties) {
  const last = text.lastIndexOf(" ") + 1;
  // Keeps the numbers on the line of the word before them.
  const cut = text.length - last > longWord ? text.length : last;
  return (
    <span>
      {goodRun === undefined ? text.slice(0, cut) : linked(text.slice(0, cut), goodRun)}
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

/** A text in which the words for the last good run are a link to its page. */
function linked(text: string, run: string) {
  const at = text.indexOf(goodRunWords);
  if (at === -1) return text;
  return (
    <>
      {text.slice(0, at)}
      <a href={linkWithin(["task", run])}>{goodRunWords}</a>
      {text.slice(at + goodRunWords.length)}
    </>
  );
}

function logCommand({ allocation, task, namespace }: TaskSummary): string {
  const where = (namespace || "default") === "default" ? "" : ` -namespace ${namespace}`;
  return `nomad alloc logs -stderr -tail${where} ${shortId(allocation)} ${task}`;
}
