/** A chart of how often something happened over time: bars above a line, and other bars below it. */
import { formatDuration } from "../../units/durations.ts";
import { formatClock, formatTime } from "../../units/times.ts";
import type { TimeSpans } from "../views/timeSpans.ts";

interface Bars {
  /** Names the color. */
  readonly kind: "start" | "exit" | "failure";
  /** The name of what is counted, in the plural. */
  readonly name: string;
  readonly counts: readonly number[];
}

interface Properties {
  readonly title: string;
  readonly spans: TimeSpans;
  readonly up: Bars;
  readonly down?: Bars;
}

/** Sizes in the drawing's own units. The drawing is stretched to the available width. */
const [barWidth, half] = [10, 50];

export function BarChart({ title, spans: { from, spanMs }, up, down }: Properties) {
  const all = down === undefined ? [up] : [up, down];
  const max = Math.max(1, ...all.flatMap(({ counts }) => counts));
  const width = up.counts.length * barWidth;
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => from + share * spanMs * up.counts.length);
  const totals = all.map(({ name, counts }) => `${sum(counts)} ${name}`);
  return (
    <section class="card activity" aria-label={title}>
      <h2>
        {title} <span class="faint">{formatDuration(spanMs)} a bar</span>
      </h2>
      <div class={down === undefined ? "plot half" : "plot"}>
        <span class="scale">{max}</span>
        <svg
          viewBox={`0 0 ${width} ${all.length * half}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={totals.join(" and ")}
        >
          {all.flatMap(({ kind, counts }) =>
            counts.map((count, index) => (
              <Bar
                key={`${kind} ${from + index * spanMs}`}
                kind={kind}
                isUp={kind === up.kind}
                share={count / max}
                index={index}
              />
            )),
          )}
          <line x1="0" x2={width} y1={half} y2={half} />
        </svg>
        {down === undefined ? null : <span class="scale">{max}</span>}
      </div>
      <div class="times" aria-hidden="true">
        {ticks.map((time) => (
          <span key={time}>{clock(time, spanMs)}</span>
        ))}
      </div>
      <p class="legend">
        {all.map(({ kind }, index) => (
          <span key={kind}>
            <i class={kind} /> {totals[index]}
            {down === undefined ? "" : index === 0 ? ", above the line" : ", below it"}
          </span>
        ))}
      </p>
    </section>
  );
}

interface BarProperties {
  readonly kind: Bars["kind"];
  readonly isUp: boolean;
  /** Height relative to the highest bar. */
  readonly share: number;
  readonly index: number;
}

function Bar({ kind, isUp, share, index }: BarProperties) {
  if (share === 0) return null;
  // At least 2, so that a bar for a single task is visible beside a bar for thousands of tasks.
  const height = Math.max(2, (half - 2) * share);
  const y = isUp ? half - height : half;
  return <rect class={kind} x={index * barWidth + 1} y={y} width={barWidth - 2} height={height} />;
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, each) => total + each, 0);
}

/** The wall-clock time, with the day if the chart of 60 bars, each of `spanMs`, spans more than a day. */
function clock(time: number, spanMs: number): string {
  return spanMs > 1_440_000 ? formatTime(time).slice(5, 16) : formatClock(time).slice(0, 8);
}
