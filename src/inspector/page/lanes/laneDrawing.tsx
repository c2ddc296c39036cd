/** Draws an allocation's lanes: a lane for each task, with its runs as blocks, below a time axis. */
import { shortId } from "../../../base/taskId.ts";
import { countOf } from "../../../units/counts.ts";
import type { AllocationView, LaneRun, TaskLane } from "../../views/allocationView.ts";
import { foldRuns, outcomesText } from "./foldRuns.ts";
import { Folded, lane, Run, textIn } from "./laneBlocks.tsx";
import { type Span, shareOf, ticksOf } from "./timeAxis.ts";

interface Properties {
  readonly view: AllocationView;
  readonly window: Span;
  readonly width: number;
  readonly now: number;
  /** The run that the page shows beside the lanes, and the time of the step that it shows of that run. */
  readonly shown: { readonly id: string; readonly time: number } | undefined;
  /** Time of the selected error. */
  readonly pointed: number | undefined;
  /** Called with the time to show, when a person opens a block of several runs. */
  readonly open: (span: Span) => void;
}

/** Height of the axis, in pixels. */
const axisHeight = 24;

export function LaneDrawing({ view, window, width, now, shown, pointed, open }: Properties) {
  const height = axisHeight + view.tasks.length * lane.height + 4;
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
      {/* The lines above are below the lanes and their titles. Here they are drawn again over the bars alone. */}
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
            {/* Omits a label that does not fit to the right of its line. To the left of the line, the label could
                cover the previous one. */}
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
  readonly task: TaskLane;
  readonly window: Span;
  readonly width: number;
  readonly now: number;
  readonly current: string | undefined;
  readonly open: (span: Span) => void;
}

/** Width of a letter of a task's name, in pixels. */
const nameLetter = 8;

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
