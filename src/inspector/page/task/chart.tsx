/** A drawing of the state machine, with the task's state and the way there. */
import { useEffect, useState } from "preact/hooks";
import type { ChartArrow, ChartLayout, Point } from "../../views/chartLayout.ts";
import type { StepLine } from "../../views/story.ts";
import { Scroll } from "../table.tsx";

interface Properties {
  readonly layout: ChartLayout;
  /** The steps up to the shown moment. */
  readonly steps: readonly StepLine[];
  readonly state: string;
}

const layoutRequest = fetch("/chart.json").then((response) => response.json() as Promise<ChartLayout>);

/** The layout, which is fetched once, when the page is loaded. */
export function useChartLayout(): ChartLayout | undefined {
  const [layout, setLayout] = useState<ChartLayout>();
  useEffect(() => {
    layoutRequest.then(setLayout, () => undefined);
  }, []);
  return layout;
}

export function Chart({ layout, steps, state }: Properties) {
  const taken = new Map<string, number>();
  for (const { from, to } of steps) taken.set(`${from}>${to}`, (taken.get(`${from}>${to}`) ?? 0) + 1);
  const visited = new Set(steps.flatMap(({ from, to }) => [from, to]));
  const countOf = ({ from, to }: ChartArrow) => taken.get(`${from}>${to}`) ?? 0;
  // Arrows that were taken are drawn above the others.
  const arrows = layout.arrows.toSorted((a, b) => Math.sign(countOf(a)) - Math.sign(countOf(b)));
  return (
    <Scroll label="Chart">
      <svg
        class="chart"
        viewBox={`-2 -2 ${layout.width + 4} ${layout.height + 4}`}
        role="img"
        aria-label={`State machine; the task is ${state}`}
      >
        {arrows.map((arrow) => (
          <Arrow key={`${arrow.from}>${arrow.to}`} arrow={arrow} count={countOf(arrow)} />
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

function Arrow({ arrow: { points, labels, middle }, count }: { arrow: ChartArrow; count: number }) {
  return (
    <g class={count > 0 ? "arrow taken" : "arrow"}>
      <path class="line" d={lineOf(points)} />
      <path class="head" d={headOf(points)} />
      {labels.map(({ text, x, y }) => (
        <text key={text} x={x} y={y}>
          {text}
        </text>
      ))}
      {count > 1 ? (
        <text class="times" x={middle.x} y={middle.y}>
          ×{count}
        </text>
      ) : null}
    </g>
  );
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
