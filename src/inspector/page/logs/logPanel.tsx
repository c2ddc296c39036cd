/** A task's output beside its events: shown on request, followed, searched, and stored nowhere. */

import { useState } from "preact/hooks";
import { countOf } from "../../../units/counts.ts";
import { formatBytes } from "../../../units/sizes.ts";
import type { LaneRun, LaneStep } from "../../views/allocationView.ts";
import type { LogMatches } from "../../views/answers.ts";
import { LinkButton } from "../buttons.tsx";
import { useAnswer } from "../live.ts";
import { choose, useChoice } from "../navigation.ts";
import { logEvents, mergeEvents } from "./logEntries.ts";
import { LogList } from "./logList.tsx";
import { positionText, useLog } from "./useLog.ts";

interface Properties {
  /** The run's id. */
  readonly id: string;
  /** Number of the run's events. */
  readonly events: number;
  /** Number of the shown step. */
  readonly seq: number;
  /** All runs of the task in its allocation. */
  readonly runs: readonly LaneRun[];
  readonly chooseEvent: (seq: number) => void;
}

const streams = ["stderr", "stdout"] as const;

export function LogPanel(properties: Properties) {
  const [stream] = useChoice("log");
  return (
    <section class="card output" aria-label="Output">
      <h2>
        Output{" "}
        <span class="faint">
          read from the log files of this host when it is shown; the history has none of it but what
          keep_output says. It may hold secrets.
        </span>
      </h2>
      <div class="tools">
        <fieldset>
          <legend>Show</legend>
          {streams.map((each) => (
            <button
              key={each}
              type="button"
              aria-pressed={each === stream}
              onClick={() => choose({ log: each === stream ? "" : each, line: "", find: "" })}
            >
              {each}
            </button>
          ))}
        </fieldset>
        {stream === "" ? null : <Find />}
      </div>
      {streams.some((each) => each === stream) ? (
        <Shown key={stream} {...properties} stream={stream} />
      ) : null}
    </section>
  );
}

function Find() {
  const [find, setFind] = useChoice("find");
  const [text, setText] = useState(find);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        setFind(text);
      }}
    >
      <input
        type="search"
        value={text}
        placeholder="Find in the whole output, Enter"
        aria-label="Find in the output"
        onInput={({ currentTarget: { value } }) => {
          setText(value);
          if (value === "") setFind("");
        }}
      />
    </form>
  );
}

function Shown({ id, events, seq, runs, chooseEvent, stream }: Properties & { readonly stream: string }) {
  const query = `id=${encodeURIComponent(id)}&stream=${stream}`;
  const [line] = useChoice("line");
  const [find] = useChoice("find");
  const steps = useAnswer<LaneStep[]>(`/api/steps?id=${encodeURIComponent(id)}`, events);
  const { log, problem, isFollowed, loadBefore, loadAfter } = useLog(query, line);
  if (problem !== undefined) return <p class="bad">{problem}</p>;
  if (log === undefined) return <p class="faint">Reading the output…</p>;
  const entries = mergeEvents(log.lines, logEvents(id, steps ?? [], runs), log);
  const bytes = log.files.reduce((sum, { size, begin = 0 }) => sum + size - begin, 0);
  return (
    <>
      {find === "" || log.kept ? null : <Matches query={query} find={find} />}
      <p class="about">
        <span>
          {formatBytes(bytes)} in {countOf(log.files.length, "file")}
        </span>
        <span role="status">
          {log.kept
            ? "the log files are gone: this end is in the history"
            : isFollowed
              ? "following"
              : log.isEnd
                ? "not followed"
                : "an earlier part"}
        </span>
        {log.isEnd ? null : <LinkButton act={() => choose({ line: "" })}>to the end</LinkButton>}
      </p>
      <LogList
        {...{ entries, id, seq, chooseEvent, loadBefore, loadAfter }}
        files={log.files}
        isBegin={log.isBegin}
        isEnd={log.isEnd}
        target={line}
      />
      <p class="hint">
        A line's time is what the driver's logger noted (<b>noted</b>), the time of its arrival (<b>seen</b>),
        or a time in the line itself (<b>own</b>). A line without a time was written between the lines around
        it, and within the times of its file.
      </p>
    </>
  );
}

function Matches({ query, find }: { readonly query: string; readonly find: string }) {
  const found = useAnswer<LogMatches>(`/api/log/search?${query}&text=${encodeURIComponent(find)}`);
  if (found === undefined) return <p class="faint">Searching…</p>;
  const { lines, more } = found;
  return (
    <div class="matches">
      <p>
        {lines.length === 0
          ? "No line has this text."
          : `${more ? "The last " : ""}${countOf(lines.length, "line")} with this text:`}
      </p>
      <ul>
        {lines.map((line) => (
          <li key={positionText(line)}>
            <LinkButton act={() => choose({ line: positionText(line) })}>
              {line.text === "" ? "(an empty line)" : line.text}
            </LinkButton>
          </li>
        ))}
      </ul>
    </div>
  );
}
