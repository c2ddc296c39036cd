/** Draws the state machine, with the task's state and the path to it. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { formatCount } from "../../../units/counts.ts";
import type { ChartArrow, ChartLayout, ChartTransition, Point } from "../../views/chartLayout.ts";
import type { Steps } from "../../views/stepTable.ts";
import { Scroll } from "../table.tsx";

interface Properties {
  readonly layout: ChartLayout;
  readonly steps: Steps;
  /** Number of the last step on the path. */
  readonly seq: number;
}

const layoutRequest = fetch("/chart.json").then((response) => response.json() as Promise<ChartLayout>);

/** The chart's layout, which is fetched once, when the page is loaded. */
export function useChartLayout(): ChartLayout | undefined {
  const [layout, setLayout] = useState<ChartLayout>();
  useEffect(() => {
    layoutRequest.then(setLayout, () => undefined);
  }, []);
  return layout;
}

export function Chart({ layout, steps, seq }: Properties) {
  const state = steps.stateAfter(seq);
  useEffect(() => {
    // If the chart is wider than the window, as on a phone, scrolls the task's state to the middle.
    const lit = document.getElementById(`state-${state}`);
    const place = lit?.closest(".scroll");
    if (!lit || !place || place.scrollWidth <= place.clientWidth) return;
    const [box, room] = [lit.getBoundingClientRect(), place.getBoundingClientRect()];
    place.scrollLeft += box.left + box.width / 2 - room.left - room.width / 2;
  }, [state]);
  const { taken, visited } = useMemo(() => pathOf(steps.upTo(seq)), [steps, seq]);
  const drawn = layout.arrows
    .map((arrow) => ({ arrow, taken: takenIn(arrow, taken) }))
    // Arrows that were taken are drawn above the others.
    .sort((a, b) => Math.sign(a.taken.count) - Math.sign(b.taken.count));
  return (
    <Scroll label="Chart">
      <svg
        class="chart"
        viewBox={`-2 -2 ${layout.width + 4} ${layout.height + 4}`}
        role="img"
        aria-label={`State machine; the task is ${state}`}
      >
        {drawn.map(({ arrow, taken: { count } }) => (
          // A new key makes a new element. In the old one, Chromium would keep the colour of a taken arrow.
          <g
            key={`${keyOf(arrow)} ${count > 0}`}
            class={count > 0 ? "arrow taken" : "arrow"}
            data-transitions={keyOf(arrow)}
          >
            <path class="line" d={lineOf(arrow.points)} />
            {arrow.hasHead ? <path class="head" d={headOf(arrow.points)} /> : <Joint points={arrow.points} />}
          </g>
        ))}
        {drawn.map(({ arrow, taken: numbers }) => (
          <Label key={keyOf(arrow)} arrow={arrow} taken={numbers} />
        ))}
        {layout.states.map(({ id, x, y, width, height }) => (
          <g
            key={id}
            id={`state-${id}`}
            class={id === state ? "node lit" : visited.has(id) ? "node been" : "node"}
          >
            <rect x={x} y={y} width={width} height={height} rx={9} />
            <text x={x + width / 2} y={y + height / 2}>
              {id}
            </text>
          </g>
        ))}
      </svg>
    </Scroll>
  );
}

/** The point at which arrows of the same event join. */
function Joint({ points }: { readonly points: readonly Point[] }) {
  const end = points.at(-1);
  return end === undefined ? null : <circle class="head" cx={end.x} cy={end.y + 1} r={2.5} />;
}

/** The steps that took an arrow: their count, and the first few numbers. */
interface Taken {
  readonly count: number;
  readonly seqs: readonly number[];
}

/** Maximum number of step numbers at an arrow. If more steps took the arrow, only their count is shown. */
const maxNumbers = 2;

/** The path that the task took through the chart. */
interface Path {
  /** The steps of each transition, by state, next state and event. */
  readonly taken: ReadonlyMap<string, Taken>;
  readonly visited: ReadonlySet<string>;
}

function pathOf(steps: Steps): Path {
  const taken = new Map<string, { count: number; seqs: number[] }>();
  const visited = new Set([steps.stateAfter(0)]);
  for (let seq = 1; seq <= steps.length; seq++) {
    const [from, to] = [steps.stateAfter(seq - 1), steps.stateAfter(seq)];
    if (from === to) continue;
    visited.add(to);
    const key = transitionKey({ from, to, event: steps.kindOf(seq).type });
    const known = taken.get(key) ?? { count: 0, seqs: [] };
    taken.set(key, known);
    known.count += 1;
    if (known.seqs.length < maxNumbers) known.seqs.push(seq);
  }
  return { taken, visited };
}

function takenIn({ transitions }: ChartArrow, taken: Path["taken"]): Taken {
  const each = transitions.flatMap((transition) => taken.get(transitionKey(transition)) ?? []);
  return {
    count: each.reduce((sum, { count }) => sum + count, 0),
    seqs: each.flatMap(({ seqs }) => seqs).sort((a, b) => a - b),
  };
}

function transitionKey({ from, to, event }: ChartTransition): string {
  return `${from}>${event}>${to}`;
}

function keyOf({ transitions, hasHead }: ChartArrow): string {
  return `${transitions.map(transitionKey).join(" ")}${hasHead ? "" : " joins"}`;
}

/**
 * The event's name, and the numbers of the steps that took this arrow. Where arrows join, only the arrow
 * behind the joint has a label.
 */
function Label({ arrow: { label, middle, hasHead }, taken }: { arrow: ChartArrow; taken: Taken }) {
  const numbers = hasHead ? numbersText(taken) : "";
  if (label === "" && numbers === "") return null;
  return (
    <text class={taken.count > 0 ? "label taken" : "label"} x={middle.x} y={middle.y}>
      {numbers === "" ? null : <tspan class="step-number">{numbers}</tspan>}
      {numbers === "" || label === "" ? "" : " "}
      {label}
    </text>
  );
}

/** `4`, `4, 9` or `×37`. */
function numbersText({ count, seqs }: Taken): string {
  return count > maxNumbers ? `×${formatCount(count)}` : seqs.slice(0, count).join(", ");
}

const bend = 7;

/** A path through the points, with rounded corners. */
function lineOf(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (first === undefined) return "";
  const segments = rest.map((point, index) => {
    const next = rest[index + 1];
    if (next === undefined) return `L${point.x},${point.y}`;
    const [before, after] = [towards(point, points[index] ?? point), towards(point, next)];
    return `L${before.x},${before.y}Q${point.x},${point.y} ${after.x},${after.y}`;
  });
  return `M${first.x},${first.y}${segments.join("")}`;
}

/** The point where a rounded corner begins: at most half of the segment away. */
function towards(from: Point, to: Point): Point {
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  const share = length === 0 ? 0 : Math.min(bend, length / 2) / length;
  return { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share };
}

/** The head of an arrow, in the direction of its last segment. */
function headOf(points: readonly Point[]): string {
  const [end, before] = [points.at(-1), points.at(-2)];
  if (end === undefined || before === undefined) return "";
  const angle = Math.atan2(end.y - before.y, end.x - before.x);
  const corner = (turn: number) =>
    `${end.x - 8 * Math.cos(angle + turn)},${end.y - 8 * Math.sin(angle + turn)}`;
  return `M${end.x},${end.y}L${corner(0.42)}L${corner(-0.42)}Z`;
}
