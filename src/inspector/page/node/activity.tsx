/** Starts and exits over time, as bars above and below a line. */
import { formatDuration } from "../../../units/durations.ts";
import { formatClock, formatTime } from "../../../units/times.ts";
import type { NodeView } from "../../views/nodeView.ts";

/** Sizes in the drawing's own units. The drawing is stretched to the available width. */
const [barWidth, half] = [10, 50];

export function Activity({ activity }: { readonly activity: NodeView["activity"] }) {
  const { starts, exits, spanMs, from } = activity;
  const max = Math.max(1, ...starts, ...exits);
  const [started, ended] = [sum(starts), sum(exits)];
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => from + share * spanMs * starts.length);
  return (
    <section class="card activity" aria-label="Starts and exits">
      <h2>
        Starts and exits <span class="faint">{formatDuration(spanMs)} a bar</span>
      </h2>
      <div class="plot">
        <span class="scale">{max}</span>
        <svg
          viewBox={`0 0 ${starts.length * barWidth} ${2 * half}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={`${started} starts and ${ended} exits`}
        >
          {starts.map((count, index) => (
            <Bar key={`start ${from + index * spanMs}`} kind="start" share={count / max} index={index} />
          ))}
          {exits.map((count, index) => (
            <Bar key={`exit ${from + index * spanMs}`} kind="exit" share={count / max} index={index} />
          ))}
          <line x1="0" x2={starts.length * barWidth} y1={half} y2={half} />
        </svg>
        <span class="scale">{max}</span>
      </div>
      <div class="times" aria-hidden="true">
        {ticks.map((time) => (
          <span key={time}>{clock(time, spanMs)}</span>
        ))}
      </div>
      <p class="legend">
        <span>
          <i class="start" /> {started} starts, above the line
        </span>
        <span>
          <i class="exit" /> {ended} exits, below it
        </span>
      </p>
    </section>
  );
}

interface BarProperties {
  readonly kind: "start" | "exit";
  /** Height relative to the highest bar. */
  readonly share: number;
  readonly index: number;
}

function Bar({ kind, share, index }: BarProperties) {
  if (share === 0) return null;
  // At least 2, so that a bar for a single task is visible beside one for thousands.
  const height = Math.max(2, (half - 2) * share);
  const y = kind === "start" ? half - height : half;
  return <rect class={kind} x={index * barWidth + 1} y={y} width={barWidth - 2} height={height} />;
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, each) => total + each, 0);
}

/** Wall clock, with the day if the chart spans days. */
function clock(time: number, spanMs: number): string {
  return spanMs > 1_440_000 ? formatTime(time).slice(5, 16) : formatClock(time).slice(0, 8);
}
