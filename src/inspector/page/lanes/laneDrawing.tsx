/** Draws an allocation's lanes: a lane for each task, with its runs as blocks, below a time axis. */
import type { ComponentChildren } from "preact";
import { shortId } from "../../../taskId.ts";
import { countOf, formatCount } from "../../../units/counts.ts";
import { formatDuration } from "../../../units/durations.ts";
import { formatTime } from "../../../units/times.ts";
import type { AllocationView, LaneMark, LaneRun, TaskLanes } from "../../views/allocationView.ts";
import { linkWithin } from "../bundle/source.ts";
import { Shape } from "../mark.tsx";
import { type Block, countOutcomes, foldRuns, outcomesText, worstTone } from "./foldRuns.ts";
import { type Span, shareOf, ticksOf } from "./timeAxis.ts";

interface Properties {
  readonly view: AllocationView;
  readonly window: Span;
  readonly width: number;
  readonly now: number;
  /** The run that the page shows beside the lanes, and the time of its shown moment. */
  readonly shown: { readonly id: string; readonly time: number } | undefined;
  /** Time of the selected error. */
  readonly pointed: number | undefined;
  /** Called with the time to show, when a person opens a block of several runs. */
  readonly open: (span: Span) => void;
}

/** Heights in pixels, of the axis and of a lane with its title and its bar. */
const axisHeight = 24;
const lane = { height: 60, title: 13, bar: 28, barHeight: 22 } as const;

function laneHeight(tasks: number): number {
  return axisHeight + tasks * lane.height + 4;
}

export function LaneDrawing({ view, window, width, now, shown, pointed, open }: Properties) {
  const height = laneHeight(view.tasks.length);
  const lines = [
    { name: "pointed-line", time: pointed },
    { name: "moment-line", time: shown?.time },
  ].flatMap(({ name, time }) => (time === undefined ? [] : [{ name, at: shareOf(window, time) * width }]));
  return (
    <svg
      class="lanes"
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      aria-label={`Runs of the tasks of allocation ${shortId(view.allocation)}`}
    >
      <defs>
        <pattern id="folded" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <rect class="stripe" width="2" height="6" />
        </pattern>
      </defs>
      <Axis window={window} width={width} height={height} />
      {lines.map(({ name, at }) => (
        <path key={name} class={name} d={`M${at},${axisHeight}V${height}`} />
      ))}
      {view.tasks.map((task, index) => (
        <g key={task.task} transform={`translate(0 ${axisHeight + index * lane.height})`}>
          <Lane {...{ task, window, width, now, open }} current={shown?.id} />
        </g>
      ))}
      {/* The same lines again, above the bars, which cover the first ones. Only texts in bars are behind them. */}
      {lines.map(({ name, at }) => (
        <path key={name} class={name} d={view.tasks.map((_, index) => barLine(at, index)).join("")} />
      ))}
    </svg>
  );
}

function barLine(x: number, index: number): string {
  return `M${x},${axisHeight + index * lane.height + lane.bar}v${lane.barHeight}`;
}

interface AxisProperties {
  readonly window: Span;
  readonly width: number;
  readonly height: number;
}

/** Room for a tick with its label, and maximum width of a digit in the label, in pixels. */
const tickRoom = 110;
const digit = 8;

function Axis({ window, width, height }: AxisProperties) {
  return (
    <g class="axis">
      {ticksOf(window, Math.max(1, Math.floor(width / tickRoom))).map(({ time, label, day }) => {
        const x = Math.round(shareOf(window, time) * width) + 0.5;
        return (
          <g key={time}>
            <path class={day ? "tick" : "line"} d={`M${x},0V${height}`} />
            {/* The last label is left out if it does not fit behind its line: another one is before the line. */}
            {x + 5 + label.length * digit > width ? null : (
              <text x={x + 5} y={12}>
                {label}
              </text>
            )}
          </g>
        );
      })}
    </g>
  );
}

interface LaneProperties {
  readonly task: TaskLanes;
  readonly window: Span;
  readonly width: number;
  readonly now: number;
  readonly current: string | undefined;
  readonly open: (span: Span) => void;
}

function Lane({ task: { task, runs, earlier }, window, width, now, current, open }: LaneProperties) {
  const blocks = foldRuns(runs, window, width, now);
  const rest = earlier === 0 ? "" : `, and ${earlier} earlier`;
  const texts = [4, 3, 2, 1].map((most) => `${outcomesText(runs, most)}${rest}`);
  const room = Math.floor(width / nameLetter);
  const name = task.length > room ? `${task.slice(0, room - 1)}…` : task;
  return (
    <>
      <text class="task" x={1} y={lane.title}>
        {name}
        <tspan class="outcomes" dx={8}>
          {textIn(name.length * nameLetter, width, [...texts, countOf(runs.length + earlier, "run")])}
        </tspan>
      </text>
      <path class="base" d={`M0,${lane.bar + lane.barHeight / 2}H${width}`} />
      {blocks.map((block) => {
        const [first] = block.runs as [LaneRun];
        return block.runs.length > 1 ? (
          <Folded key={first.id} {...{ block, window, width, task, now, open }} />
        ) : (
          <Run key={first.id} {...{ block, window, width, task, now }} isCurrent={first.id === current} />
        );
      })}
    </>
  );
}

interface BlockProperties {
  readonly block: Block;
  readonly window: Span;
  readonly width: number;
  readonly task: string;
  readonly now: number;
}

/**
 * Width of a letter and margin of a text, in pixels. A text that does not fit into its block is only in the
 * block's title.
 */
const letter = 6.6;
const nameLetter = 8;
const padding = 8;

function textIn(left: number, right: number, texts: readonly string[]): string {
  return texts.find((text) => text.length * letter + 2 * padding <= right - left) ?? "";
}

function Folded({
  block: { runs, left, right },
  window,
  width,
  task,
  now,
  open,
}: BlockProperties & Pick<Properties, "open">) {
  const [from, to] = [Math.max(-2, left), Math.min(width + 2, Math.max(right, left + 6))];
  const title = `${task}: ${outcomesText(runs)}`;
  const count = `×${formatCount(runs.length)}`;
  const [most] = countOutcomes(runs);
  const text = textIn(from, to, [`${count} ${most?.outcome.text ?? ""}`, count]);
  const zoom = () => open(spanOfFold(runs, window, now));
  return (
    // biome-ignore lint/a11y/useSemanticElements: a button cannot be in an SVG
    <g
      class={`block folded ${worstTone(runs)}`}
      role="button"
      // Attributes of SVG are case-sensitive: tabIndex would have no effect.
      tabindex={0}
      aria-label={`${text} ${title}. Zoom in`}
      onClick={zoom}
      onKeyDown={(event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        event.stopPropagation();
        zoom();
      }}
    >
      <title>{`${title}. Click to zoom in`}</title>
      <rect class="body" x={from} y={lane.bar} width={to - from} height={lane.barHeight} rx={3} />
      <rect
        class="hatch"
        x={from}
        y={lane.bar}
        width={to - from}
        height={lane.barHeight}
        rx={3}
        fill="url(#folded)"
      />
      <BlockText left={from} right={to} text={text} isMiddle />
    </g>
  );
}

/**
 * The window to show after a click on a block of several runs: all of them, or the newest part if they
 * already fill the window.
 */
function spanOfFold(runs: readonly LaneRun[], window: Span, now: number): Span {
  const from = runs[0]?.begunAt ?? 0;
  const to = Math.max(...runs.map(({ overAt }) => overAt ?? now));
  const air = Math.max(10, (to - from) / 20);
  const shown = Math.min(to, window.to) - Math.max(from, window.from);
  const quarter = (window.to - window.from) / 4;
  if (shown < 2.5 * quarter) return { from: from - air, to: to + air };
  const end = Math.min(to + air, window.to);
  return { from: end - quarter, to: end };
}

function Run({
  block: { runs, left, right },
  window,
  width,
  task,
  now,
  isCurrent,
}: BlockProperties & { readonly isCurrent: boolean }) {
  const [run] = runs as [LaneRun];
  const clip = (place: number) => Math.min(width + 4, Math.max(-4, place));
  const x = (time: number) => clip(shareOf(window, time) * width);
  const [from, to] = [clip(left), Math.max(clip(right), clip(left) + 2)];
  const ran = formatDuration(Math.max(0, (run.overAt ?? now) - run.begunAt));
  // The label begins with the visible text, for users of speech input.
  const title = `${task}: ${run.outcome.text}, ${ran}, ${formatTime(run.begunAt)}`;
  const hasMark = run.overAt !== null && to - from >= 26 && to < width;
  return (
    <g class={`block ${run.outcome.tone}${isCurrent ? " current" : ""}`}>
      <Link run={run} label={title}>
        <title>{title}</title>
        {run.periods.map(({ state, from: begun, to: end }) => (
          <rect
            key={begun}
            class={`body ${state}`}
            x={x(begun)}
            y={lane.bar}
            width={Math.max(1, x(end ?? now) - x(begun))}
            height={lane.barHeight}
          />
        ))}
        <rect class="frame" x={from} y={lane.bar} width={to - from} height={lane.barHeight} rx={3} />
        {run.overAt === null ? null : <path class="end" d={`M${to},${lane.bar - 3}v${lane.barHeight + 6}`} />}
        {hasMark ? (
          <g class="shape" transform={`translate(${to - 20} ${lane.bar + 3})`}>
            <Shape tone={run.outcome.tone} />
          </g>
        ) : null}
        <BlockText
          left={from}
          right={hasMark ? to - 18 : to}
          text={textIn(from, hasMark ? to - 18 : to, [`${run.outcome.text}, ${ran}`, run.outcome.text, ran])}
        />
      </Link>
      {run.marks.map((mark) => (
        <Sign key={mark.seq} id={run.id} mark={mark} x={shareOf(window, mark.time) * width} width={width} />
      ))}
    </g>
  );
}

interface SignProperties {
  /** The run's id. */
  readonly id: string;
  readonly mark: LaneMark;
  readonly x: number;
  readonly width: number;
}

/** A sign above the bar. It takes no keyboard focus, because a key goes from error to error. */
function Sign({ id, mark: { seq, time, text, kind }, x, width }: SignProperties) {
  if (x < 0 || x > width) return null;
  const top = lane.bar - 8;
  const shape = kind === "takeover" ? `M${x},${top}l4,4l-4,4l-4,-4z` : `M${x - 5},${top}h10l-5,9z`;
  return (
    <a class={`sign ${kind}`} href={linkWithin(["task", id], { event: String(seq) })} tabindex={-1}>
      <title>{`${text}, ${formatTime(time)}`}</title>
      <path d={shape} />
    </a>
  );
}

interface LinkProperties {
  readonly run: LaneRun;
  readonly label: string;
  readonly children: ComponentChildren;
}

function Link({ run, label, children }: LinkProperties) {
  return (
    <a href={linkWithin(["task", run.id])} aria-label={label}>
      {children}
    </a>
  );
}

interface TextProperties {
  readonly left: number;
  readonly right: number;
  readonly text: string;
  readonly isMiddle?: boolean;
}

/** The text of a block, at a visible place: a block may begin before the window. */
function BlockText({ left, right, text, isMiddle = false }: TextProperties) {
  if (text === "") return null;
  const x = isMiddle ? (left + right) / 2 : Math.max(0, left) + padding;
  return (
    <text
      class="label"
      x={x}
      y={lane.bar + lane.barHeight / 2 + 4.5}
      text-anchor={isMiddle ? "middle" : "start"}
    >
      {text}
    </text>
  );
}
