/**
 * A strip that shows the whole span of time, and marks the window that the lanes show in detail. A user can
 * drag the window or its ends, or draw a new window.
 */
import { useRef } from "preact/hooks";
import { formatTime } from "../../../units/times.ts";
import type { AllocationView } from "../../views/allocationView.ts";
import { worstTone } from "./foldRuns.ts";
import { moved, type Span, shareOf, timeAt, withEnd, within } from "./timeAxis.ts";

interface Properties {
  readonly view: AllocationView;
  readonly whole: Span;
  readonly window: Span;
  readonly width: number;
  readonly now: number;
  readonly show: (window: Span) => void;
}

const height = 34;
/** Maximum distance at which the pointer grabs an end of the window, in pixels. */
const reach = 10;

type Grip = (time: number) => Span;

export function Overview({ view, whole, window, width, now, show }: Properties) {
  const grip = useRef<Grip>(undefined);
  const x = (time: number) => shareOf(whole, time) * width;
  const [left, right] = [x(window.from), x(window.to)];
  const timeOf = ({ currentTarget, clientX }: { currentTarget: Element; clientX: number }) =>
    timeAt(whole, (clientX - currentTarget.getBoundingClientRect().left) / width);
  return (
    <div
      class="overview"
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        grip.current = gripAt(timeOf(event), {
          whole,
          window,
          near: (reach / width) * (whole.to - whole.from),
        });
      }}
      onPointerMove={(event) => {
        if (!event.currentTarget.hasPointerCapture(event.pointerId) || grip.current === undefined) return;
        show(grip.current(timeOf(event)));
      }}
    >
      <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
        <Bars {...{ view, whole, width, now }} />
        <rect class="outside" width={Math.max(0, left)} height={height} />
        <rect class="outside" x={right} width={Math.max(0, width - right)} height={height} />
        <rect
          class="window"
          x={left + 0.5}
          y={0.5}
          width={Math.max(2, right - left - 1)}
          height={height - 1}
          rx={4}
        />
      </svg>
      <End name="Start of the shown time" end="from" at={left} {...{ whole, window, show }} />
      <End name="End of the shown time" end="to" at={right} {...{ whole, window, show }} />
    </div>
  );
}

/** A row for each task, with a bar for each run. */
function Bars({ view: { tasks }, whole, width, now }: Pick<Properties, "view" | "whole" | "width" | "now">) {
  const step = Math.min(6, (height - 8) / tasks.length);
  return (
    <>
      {tasks.map(({ task, runs }, index) => (
        <g key={task} transform={`translate(0 ${4 + index * step})`}>
          {stretches(runs, whole, width, now).map(({ from, to, tone }) => (
            <rect
              key={from}
              class={tone}
              x={from}
              width={Math.max(1.5, to - from)}
              height={Math.max(1, step - 1.5)}
            />
          ))}
        </g>
      ))}
    </>
  );
}

interface Place {
  readonly whole: Span;
  readonly window: Span;
  /** {@link reach}, in milliseconds. */
  readonly near: number;
}

/**
 * Decides what the pointer drags after a press at a time: an end of the window, the whole window, or the end
 * of a new window.
 */
function gripAt(time: number, { whole, window, near }: Place): Grip {
  const between = (a: number, b: number) => within(whole, { from: Math.min(a, b), to: Math.max(a, b) });
  const isWhole = window.to - window.from >= whole.to - whole.from;
  if (!isWhole && Math.abs(time - window.from) <= near) return (to) => between(to, window.to);
  if (!isWhole && Math.abs(time - window.to) <= near) return (to) => between(window.from, to);
  if (!isWhole && time > window.from && time < window.to) {
    return (to) => moved(whole, window, (to - time) / (window.to - window.from));
  }
  return (to) => between(time, to);
}

interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly tone: string;
}

/**
 * Runs as bars. Bars that touch become one if they have the same tone, or are narrower than 3 pixels
 * together. A bar is bad if any of its runs is.
 */
function stretches(
  runs: AllocationView["tasks"][number]["runs"],
  whole: Span,
  width: number,
  now: number,
): Stretch[] {
  const all: Stretch[] = [];
  for (const run of runs) {
    const [from, to] = [run.begunAt, run.overAt ?? now].map((time) => shareOf(whole, time) * width) as [
      number,
      number,
    ];
    const tone = worstTone([run]);
    const last = all.at(-1);
    if (last !== undefined && from - last.to < 1 && (last.tone === tone || to - last.from < 3)) {
      all[all.length - 1] = { from: last.from, to, tone: last.tone === "bad" ? "bad" : tone };
    } else all.push({ from, to, tone });
  }
  return all;
}

interface EndProperties extends Pick<Properties, "whole" | "window" | "show"> {
  readonly name: string;
  readonly end: keyof Span;
  /** Pixels from the left. */
  readonly at: number;
}

/** An end of the window, which the arrow keys move by a tenth of the window. */
function End({ name, end, at, whole, window, show }: EndProperties) {
  const value = window[end];
  return (
    <span
      class="window-end"
      role="slider"
      tabIndex={0}
      aria-label={name}
      aria-valuemin={Math.round(whole.from)}
      aria-valuemax={Math.round(whole.to)}
      aria-valuenow={Math.round(value)}
      aria-valuetext={formatTime(value)}
      style={{ left: `${at}px` }}
      onKeyDown={(event) => {
        const by = { ArrowLeft: -0.1, ArrowRight: 0.1 }[event.key];
        if (by === undefined) return;
        event.preventDefault();
        event.stopPropagation();
        show(withEnd(whole, window, end, value + by * (window.to - window.from)));
      }}
    />
  );
}
