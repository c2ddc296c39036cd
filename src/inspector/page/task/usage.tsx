/** The task's usage over its life: a chart for each resource, with its limit, and a table. */
import { useState } from "preact/hooks";
import type { UsageSpan } from "../../../history/why/usage.ts";
import { formatDuration } from "../../../units/durations.ts";
import { formatShare } from "../../../units/ratios.ts";
import { formatBytes } from "../../../units/sizes.ts";
import { formatClock, formatTime } from "../../../units/times.ts";
import type { Steps } from "../../views/stepTable.ts";
import type { UsageView } from "../../views/taskView.ts";
import { useInterval } from "../hooks.ts";
import { useAnswer } from "../live.ts";
import { Table } from "../table.tsx";

interface Properties {
  /** Query parameters that identify the task in the API. */
  readonly query: string;
  readonly steps: Steps;
  /** Number of the chosen step. */
  readonly seq: number;
}

/** Interval at which the usage of a running task is fetched again, in milliseconds. */
const refreshMs = 10_000;

export function Usage({ query, steps, seq }: Properties) {
  const runs = ["running", "recovered", "stopping", "killing"].includes(steps.stateAfter(steps.length));
  const looks = useInterval(runs ? refreshMs : undefined);
  const usage = useAnswer<UsageView>(`/api/usage?${query}`, `${steps.length} ${looks}`);
  const [first] = usage?.spans ?? [];
  if (usage === undefined || first === undefined) return null;
  const { spans, text } = usage;
  const from = first.time - first.spanMs;
  const figures = figuresOf(usage);
  const marks = marksOf(steps);
  const axis: Axis = { from, to: Math.max(from + 1, spans.at(-1)?.time ?? 0) };
  return (
    <section class="card usage" aria-label="What it used">
      <h2>What it used</h2>
      <p>{text}.</p>
      <div class="plots">
        {figures.map((figure) => (
          <Plot
            key={figure.name}
            {...{ figure, spans, axis, marks }}
            chosen={seq > 0 ? steps.timeOf(seq) : axis.to}
          />
        ))}
      </div>
      <Legend
        hasLimits={figures.some((figure) => drawnLimit(figure, spans) !== null)}
        hasMarks={marks.length > 0}
      />
      <Samples usage={usage} />
    </section>
  );
}

interface LegendProperties {
  readonly hasLimits: boolean;
  readonly hasMarks: boolean;
}

function Legend({ hasLimits, hasMarks }: LegendProperties) {
  return (
    <p class="legend" aria-hidden="true">
      {hasLimits ? (
        <span>
          <i class="limit" /> limit
        </span>
      ) : null}
      {hasMarks ? (
        <span>
          <i class="mark" /> denied, out of memory, stalled, disk full, or an error
        </span>
      ) : null}
      <span>
        <i class="chosen" /> the shown moment
      </span>
    </p>
  );
}

/** The times at the ends of the charts, in milliseconds since the epoch. */
interface Axis {
  readonly from: number;
  readonly to: number;
}

/** The values of a chart. */
interface Figure {
  readonly name: string;
  readonly value: (span: UsageSpan) => number | null;
  readonly limit: number | null;
  readonly text: (value: number) => string;
}

/** The charts of a task: one for each resource that the host measures, and one for each shortage. */
function figuresOf({ spans, limits }: UsageView): Figure[] {
  const uses: Figure[] = [
    { name: "CPU, cores", value: ({ cores }) => cores, limit: limits.cores, text: coresText },
    { name: "Memory", value: ({ memoryBytes }) => memoryBytes, limit: limits.memoryBytes, text: formatBytes },
    { name: "Processes and threads", value: ({ pids }) => pids, limit: limits.pids, text: String },
    {
      ...{ name: "Disk, its own folders", limit: limits.diskBytes, text: formatBytes },
      value: ({ ownDiskBytes }) => ownDiskBytes,
    },
    {
      ...{ name: "Disk, the shared folder", limit: null, text: formatBytes },
      value: ({ sharedDiskBytes }) => sharedDiskBytes,
    },
  ];
  const disk = (
    [
      ["Read from disks", "readBytes", formatBytes],
      ["Written to disks", "writtenBytes", formatBytes],
      ["Reads from disks", "reads", countText],
      ["Writes to disks", "writes", countText],
    ] as const
  ).map(
    ([name, key, text]): Figure => ({
      ...{ name: `${name}, each second`, limit: limits[key], text },
      value: (span) => span.disk[key],
    }),
  );
  const lacks = [
    { name: "Held back by the CPU limit", value: heldBack },
    { name: "Waited for CPU", value: ({ waiting }: UsageSpan) => waiting.cpu },
    { name: "Waited for memory", value: ({ waiting }: UsageSpan) => waiting.memory },
    { name: "Waited for I/O", value: ({ waiting }: UsageSpan) => waiting.io },
  ].map((lack): Figure => ({ ...lack, limit: null, text: formatShare }));
  return [
    ...uses.filter(({ value }) => spans.some((span) => value(span) !== null)),
    ...disk.filter((figure) => mostOf(figure, spans) > 0),
    ...lacks.filter(({ value }) => spans.some((span) => (value(span) ?? 0) >= 0.005)),
  ];
}

/** Width and height of a chart in its own units; it is stretched to the available width. */
const [width, height] = [1_000, 100];

interface PlotProperties {
  readonly figure: Figure;
  readonly spans: readonly UsageSpan[];
  readonly axis: Axis;
  /** Times of the marks, and of the shown moment. */
  readonly marks: readonly number[];
  readonly chosen: number;
}

function mostOf({ value }: Figure, spans: readonly UsageSpan[]): number {
  return Math.max(...spans.map((span) => value(span) ?? 0));
}

/** A limit far above the usage is not drawn, because the usage would be a line at the bottom. */
function drawnLimit(figure: Figure, spans: readonly UsageSpan[]): number | null {
  const { limit } = figure;
  return limit !== null && limit <= mostOf(figure, spans) * 20 ? limit : null;
}

function Plot({ figure, spans, axis, marks, chosen }: PlotProperties) {
  const { name, value, limit, text } = figure;
  const values = spans.map((span) => value(span) ?? 0);
  const most = mostOf(figure, spans);
  const drawn = drawnLimit(figure, spans);
  // Leaves room at the top, so that constant usage is a visible line below the edge.
  const top = 1.1 * (Math.max(most, drawn ?? 0) || 1);
  const xOf = (time: number) =>
    Math.min(width, Math.max(0, ((time - axis.from) / (axis.to - axis.from)) * width));
  const yOf = (amount: number) => height - (amount / top) * (height - 2);
  // The line has steps, because each value belongs to a whole span.
  const line = spans.map(({ time, spanMs }, index) => {
    const y = yOf(values[index] ?? 0).toFixed(1);
    return `${xOf(time - spanMs).toFixed(1)},${y} ${xOf(time).toFixed(1)},${y}`;
  });
  const atMost = limit === null ? text(most) : `${text(most)} of ${text(limit)}`;
  return (
    <figure>
      <figcaption>
        {name} <span class="faint">at most {atMost}</span>
      </figcaption>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${name}: at most ${atMost}`}
      >
        <polygon points={`0,${height} ${line.join(" ")} ${width},${height}`} />
        <polyline points={line.join(" ")} />
        {drawn === null ? null : <line class="limit" x1="0" x2={width} y1={yOf(drawn)} y2={yOf(drawn)} />}
        {marks.map((time) => (
          <line key={time} class="mark" x1={xOf(time)} x2={xOf(time)} y1="0" y2={height} />
        ))}
        <line class="chosen" x1={xOf(chosen)} x2={xOf(chosen)} y1="0" y2={height} />
      </svg>
      <div class="times" aria-hidden="true">
        <span>{formatClock(axis.from).slice(0, 8)}</span>
        <span>{formatDuration(axis.to - axis.from)}</span>
        <span>{formatClock(axis.to).slice(0, 8)}</span>
      </div>
    </figure>
  );
}

/** Maximum number of marks. Only the newest are drawn, because more would merge into an area. */
const maxMarks = 200;

const marked: ReadonlySet<string> = new Set(["oomSeen", "stalled", "diskFilled", "denied"]);

/** Times of OOM kills that the task survived, of stalls, of full disks, of denials, and of errors. */
function marksOf(steps: Steps): number[] {
  const times = new Set<number>();
  for (let seq = steps.length; seq > 0 && times.size < maxMarks; seq--) {
    if (steps.isBad(seq) || marked.has(steps.kindOf(seq).type)) times.add(steps.timeOf(seq));
  }
  return [...times];
}

/** The table of samples. Its rows are made only when it is opened. */
function Samples({ usage: { spans } }: { readonly usage: UsageView }) {
  const [open, setOpen] = useState(false);
  const cell = (value: number | null, text: (value: number) => string) =>
    value === null ? "–" : text(value);
  return (
    <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>As a table</summary>
      {open ? (
        <Table
          label="What it used, as a table"
          heads={[
            ...["Until", "Cores", "Held back", "Memory", "Processes", "Disk", "Read, each second", "Written"],
            ...["Waited for CPU", "Waited for memory", "Waited for I/O"],
          ]}
          rows={spans.map((span) => [
            formatTime(span.time),
            cell(span.cores, coresText),
            cell(heldBack(span), formatShare),
            cell(span.memoryBytes, formatBytes),
            cell(span.pids, String),
            cell(span.ownDiskBytes, formatBytes),
            cell(span.disk.readBytes, formatBytes),
            cell(span.disk.writtenBytes, formatBytes),
            cell(span.waiting.cpu, formatShare),
            cell(span.waiting.memory, formatShare),
            cell(span.waiting.io, formatShare),
          ])}
        />
      ) : null}
    </details>
  );
}

/** Throttled time as a share of the span. It is limited to 1, because it is summed over CPUs. */
function heldBack({ throttledMs, spanMs }: UsageSpan): number | null {
  return throttledMs === null ? null : Math.min(1, throttledMs / spanMs);
}

function countText(value: number): string {
  return String(Math.round(value));
}

function coresText(cores: number): string {
  return String(Number(cores.toPrecision(2)));
}
