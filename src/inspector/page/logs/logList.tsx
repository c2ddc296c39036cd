/** Lines of a task's output and its events, in one list that scrolls on its own and stays at its end. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { formatClock, formatTime } from "../../../units/times.ts";
import type { LogFile } from "../../views/answers.ts";
import type { LogLine } from "../../views/lineTimes.ts";
import { linkWithin } from "../bundle/source.ts";
import { LinkButton } from "../buttons.tsx";
import type { LogEntry, LogEvent } from "./logEntries.ts";
import { positionText } from "./useLog.ts";

type EventEntry = Extract<LogEntry, { readonly kind: "event" }>;

interface Properties {
  readonly entries: readonly LogEntry[];
  readonly files: readonly LogFile[];
  /** The shown run's id, and the number of its shown step. */
  readonly id: string;
  readonly seq: number;
  readonly isBegin: boolean;
  readonly isEnd: boolean;
  /** Position of a line to mark; empty for none. */
  readonly target: string;
  readonly chooseEvent: (seq: number) => void;
  readonly loadBefore: () => void;
  readonly loadAfter: () => void;
}

export function LogList(properties: Properties) {
  const { entries, files, id, seq, isBegin, isEnd, target, chooseEvent, loadBefore, loadAfter } = properties;
  const scroller = useRef<HTMLElement>(null);
  useStickToEnd(scroller, entries, target === "");
  useLayoutEffect(() => {
    // Scrolls the chosen moment into sight, within the list only.
    const row = scroller.current?.querySelector<HTMLElement>(".among.current");
    if (row && scroller.current && !isInSight(row, scroller.current)) {
      scroller.current.scrollTop = row.offsetTop - scroller.current.clientHeight / 3;
    }
  }, [seq]);
  if (entries.length === 0) return <p class="faint">Nothing was written.</p>;
  const eventOf = ({ event, among }: EventEntry) => (
    <Event
      key={`${event.id} ${event.seq} ${event.time}`}
      isCurrent={event.id === id && event.seq === seq}
      {...{ event, among, id, chooseEvent }}
    />
  );
  let file: number | undefined;
  const lineOf = (line: LogLine) => {
    const isNew = line.index !== file;
    file = line.index;
    return (
      <>
        {isNew ? <FileHead key={`file ${line.index}`} index={line.index} files={files} /> : null}
        <Line key={positionText(line)} line={line} isTarget={positionText(line) === target} />
      </>
    );
  };
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
    <section ref={scroller} class="log" aria-label="Lines of the output" tabIndex={0}>
      {isBegin ? null : (
        <button type="button" onClick={loadBefore}>
          Earlier lines
        </button>
      )}
      {entries.map((entry) => (entry.kind === "line" ? lineOf(entry.line) : eventOf(entry)))}
      {isEnd ? null : (
        <button type="button" onClick={loadAfter}>
          Later lines
        </button>
      )}
    </section>
  );
}

function isInSight(
  { offsetTop, offsetHeight }: HTMLElement,
  { scrollTop, clientHeight }: HTMLElement,
): boolean {
  return offsetTop >= scrollTop && offsetTop + offsetHeight <= scrollTop + clientHeight;
}

/** Within this distance of its end, in pixels, the list counts as at its end. */
const nearEnd = 24;

/** If the list is at its end, new lines scroll it. Otherwise its position stays. */
function useStickToEnd(
  scroller: { readonly current: HTMLElement | null },
  entries: readonly LogEntry[],
  isAtEndAtFirst: boolean,
): void {
  const isAtEnd = useRef(isAtEndAtFirst);
  useLayoutEffect(() => {
    const element = scroller.current;
    const note = () => {
      if (element)
        isAtEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < nearEnd;
    };
    element?.addEventListener("scroll", note, { passive: true });
    return () => element?.removeEventListener("scroll", note);
  }, []);
  useLayoutEffect(() => {
    if (isAtEnd.current && scroller.current) scroller.current.scrollTop = scroller.current.scrollHeight;
  }, [entries.length, entries.at(-1)]);
}

function FileHead({ index, files }: { readonly index: number; readonly files: readonly LogFile[] }) {
  const place = files.findIndex((file) => file.index === index);
  const [before, own] = [files[place - 1], files[place]];
  const from = before === undefined ? "" : ` from ${formatTime(before.changedAt)} on,`;
  const until = own === undefined ? "" : ` the last line at ${formatTime(own.changedAt)}`;
  return (
    <p class="file">
      File {index}, written{from}
      {until}
    </p>
  );
}

function Line({ line, isTarget }: { readonly line: LogLine; readonly isTarget: boolean }) {
  const { source, before, after, text } = line;
  const known = source !== "file";
  const at = source === "noted" && after !== null ? after : before;
  const about = known
    ? `${formatTime(at)}, ${sources[source]}`
    : `written ${after === null ? "" : `after ${formatTime(after)} and `}not after ${formatTime(before)}`;
  return (
    <div class={isTarget ? "line target" : "line"} title={about}>
      <span class={`at ${source}`}>{known ? formatClock(at) : ""}</span>
      <code>{text}</code>
    </div>
  );
}

const sources = {
  noted: "or up to a second later: noted by the driver's logger",
  seen: "seen as it arrived",
  own: "the line's own time",
  file: "",
} as const;

interface EventProperties {
  readonly event: LogEvent;
  readonly among: number;
  readonly id: string;
  readonly isCurrent: boolean;
  readonly chooseEvent: (seq: number) => void;
}

function Event({
  event: { id: run, seq, time, text, bad },
  among,
  id,
  isCurrent,
  chooseEvent,
}: EventProperties) {
  const where = among === 0 ? "" : among === 1 ? ", or one line later" : `, or up to ${among} lines later`;
  return (
    <div class={`among${bad ? " bad" : ""}${isCurrent ? " current" : ""}`} title={formatTime(time)}>
      <span class="at">{formatClock(time)}</span>
      <span>
        {run === id && seq !== null ? (
          <LinkButton act={() => chooseEvent(seq)}>{text}</LinkButton>
        ) : (
          <a href={linkWithin(["task", run])}>{text}</a>
        )}
        <span class="faint">{where}</span>
      </span>
    </div>
  );
}
