/** The blocks on a lane: runs with their texts and marks, or several narrow runs in one block. */
import { formatCount } from "../../../units/counts.ts";
import { formatDuration } from "../../../units/durations.ts";
import { formatZonedTime } from "../../../units/times.ts";
import type { LaneMark, LaneRun } from "../../views/allocationView.ts";
import { linkWithin } from "../bundle/source.ts";
import { Shape } from "../mark.tsx";
import { type Block, countOutcomes, outcomesText, spanOfFold, worstTone } from "./foldRuns.ts";
import { type Span, shareOf } from "./timeAxis.ts";

/** In pixels: the height of a lane, the baseline of its title, and the top and height of its bar. */
export const lane = { height: 60, title: 13, bar: 28, barHeight: 22 } as const;

/**
 * Width of a letter and margin of a text, in pixels. A text that does not fit into its block appears only in
 * the block's tooltip.
 */
const letter = 6.6;
const padding = 8;

/** The first text that fits between two positions; empty if none fits. */
export function textIn(left: number, right: number, texts: readonly string[]): string {
  return texts.find((text) => text.length * letter + 2 * padding <= right - left) ?? "";
}

interface BlockProperties {
  readonly block: Block;
  readonly window: Span;
  readonly width: number;
  readonly task: string;
  readonly now: number;
}

/** Several runs that are too narrow to be distinguished. A click zooms in. */
export function Folded({
  block: { runs, left, right },
  window,
  width,
  task,
  now,
  open,
}: BlockProperties & { readonly open: (span: Span) => void }) {
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

/** A run with the periods of its states, its outcome and its marks. */
export function Run({
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
  const title = `${task}: ${run.outcome.text}, ${ran}, ${formatZonedTime(run.begunAt)}`;
  const hasMark = run.overAt !== null && to - from >= 26 && to < width;
  return (
    <g class={`block ${run.outcome.tone}${isCurrent ? " current" : ""}`}>
      <a href={linkWithin(["task", run.id])} aria-label={title}>
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
      </a>
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

/** A mark's sign, above the bar. It takes no keyboard focus, because a shortcut goes from error to error. */
function Sign({ id, mark: { seq, time, text, kind }, x, width }: SignProperties) {
  if (x < 0 || x > width) return null;
  const top = lane.bar - 8;
  const shape = kind === "takeover" ? `M${x},${top}l4,4l-4,4l-4,-4z` : `M${x - 5},${top}h10l-5,9z`;
  return (
    <a class={`sign ${kind}`} href={linkWithin(["task", id], { event: String(seq) })} tabindex={-1}>
      <title>{`${text}, ${formatZonedTime(time)}`}</title>
      <path d={shape} />
    </a>
  );
}

interface TextProperties {
  readonly left: number;
  readonly right: number;
  readonly text: string;
  readonly isMiddle?: boolean;
}

/** The text of a block, at a visible position even if the block begins before the window. */
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
