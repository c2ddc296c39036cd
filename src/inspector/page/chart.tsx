/** The state machine as a drawing: where the task is, and how it came there. */
import type { ChartLayout, Point } from "../chartLayout.ts";
import type { StepLine } from "../story.ts";
import { useAnswer } from "./live.ts";

/** @param steps those up to the moment that is shown */
export function Chart({ steps, state }: { readonly steps: readonly StepLine[]; readonly state: string }) {
  const layout = useAnswer<ChartLayout>("/chart.json");
  if (layout === undefined) return <div class="chart" />;
  const taken = new Map<string, number>();
  for (const { from, to } of steps) taken.set(`${from}>${to}`, (taken.get(`${from}>${to}`) ?? 0) + 1);
  const visited = new Set(steps.flatMap(({ from, to }) => [from, to]));
  return (
    <div class="chart">
      <svg
        viewBox={`-4 -4 ${layout.width + 8} ${layout.height + 8}`}
        role="img"
        aria-label={`State machine; the task is ${state}`}
      >
        {layout.arrows.map(({ from, to, points, label, labelAt }) => {
          const count = taken.get(`${from}>${to}`) ?? 0;
          return (
            <g key={`${from}>${to}`} class={count > 0 ? "arrow taken" : "arrow"}>
              <polyline points={points.map(({ x, y }) => `${x},${y}`).join(" ")} />
              <path d={headOf(points)} />
              <text x={labelAt.x} y={labelAt.y}>
                {label}
                {count > 1 ? ` ×${count}` : ""}
              </text>
            </g>
          );
        })}
        {layout.states.map(({ id, x, y, width, height }) => (
          <g
            key={id}
            id={`state-${id}`}
            class={id === state ? "node lit" : visited.has(id) ? "node been" : "node"}
          >
            <rect x={x} y={y} width={width} height={height} rx={8} />
            <text x={x + width / 2} y={y + height / 2}>
              {id}
            </text>
          </g>
        ))}
      </svg>
    </div>
  );
}

/** An arrow's head, along its last stretch. */
function headOf(points: readonly Point[]): string {
  const [end, before] = [points.at(-1), points.at(-2)];
  if (end === undefined || before === undefined) return "";
  const angle = Math.atan2(end.y - before.y, end.x - before.x);
  const corner = (turn: number) =>
    `${end.x - 8 * Math.cos(angle + turn)},${end.y - 8 * Math.sin(angle + turn)}`;
  return `M${end.x},${end.y}L${corner(0.4)}L${corner(-0.4)}Z`;
}
