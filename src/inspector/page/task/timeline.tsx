/** A bar of the task's states. Click, drag or step to any moment. */
import { useMemo, useRef } from "preact/hooks";
import { formatDuration } from "../../../units/durations.ts";
import { formatTime } from "../../../units/times.ts";
import type { StepLine } from "../../views/story.ts";
import { stepAt, timeScale } from "./timeScale.ts";

interface Properties {
  readonly steps: readonly StepLine[];
  readonly seq: number;
  readonly choose: (seq: number) => void;
}

/** More marks would merge to a grey area. */
const maxMarks = 400;

export function Timeline({ steps, seq, choose }: Properties) {
  const bar = useRef<HTMLDivElement>(null);
  const scale = useMemo(() => timeScale(steps), [steps]);
  const step = steps[seq - 1];
  const first = steps[0]?.time ?? 0;
  const goTo = ({ clientX }: PointerEvent) => {
    const { left, width } = bar.current?.getBoundingClientRect() ?? { left: 0, width: 1 };
    choose(stepAt(scale, (clientX - left) / width));
  };
  return (
    <section class="card timeline" aria-label="Time">
      <div
        ref={bar}
        class="bar"
        role="slider"
        tabIndex={0}
        aria-label="Moment of its history"
        aria-valuemin={1}
        aria-valuemax={steps.length}
        aria-valuenow={seq}
        aria-valuetext={`${seq} of ${steps.length}: ${step?.title ?? ""}`}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          goTo(event);
        }}
        onPointerMove={(event) => event.currentTarget.hasPointerCapture(event.pointerId) && goTo(event)}
      >
        {scale.periods.map(({ state, spanMs, from, width }) => (
          <span
            key={from}
            class={`period ${state}`}
            style={{ left: percent(from), width: percent(width) }}
            title={spanMs === null ? state : `${state} for ${formatDuration(spanMs)}`}
          >
            <b>{state}</b> <small>{spanMs === null ? "" : formatDuration(spanMs)}</small>
          </span>
        ))}
        {steps.map((each, index) =>
          each.bad || steps.length <= maxMarks ? (
            <i
              key={each.seq}
              class={each.bad ? "tick bad" : "tick"}
              style={{ left: percent(scale.places[index]) }}
            />
          ) : null,
        )}
        <span class="playhead" style={{ left: percent(scale.places[seq - 1]) }} />
      </div>
      <div class="steps">
        <Go label="First step" to={1} {...{ seq, choose, last: steps.length }} />
        <Go label="Step back" to={seq - 1} {...{ seq, choose, last: steps.length }} />
        <Go label="Step on" to={seq + 1} {...{ seq, choose, last: steps.length }} />
        <Go label="Last step" to={steps.length} {...{ seq, choose, last: steps.length }} />
        <span>
          Step {seq} of {steps.length}
        </span>
        <span>+{step && formatDuration(Math.max(0, step.time - first))}</span>
        <span class="wide">{step && formatTime(step.time)}</span>
        <span class="hint wide">
          <kbd>←</kbd> <kbd>→</kbd> step, <kbd>Home</kbd> <kbd>End</kbd>, <kbd>Esc</kbd> all tasks
        </span>
      </div>
    </section>
  );
}

const signs = {
  "First step": "M4 3v10M12.5 3.5v9L6 8z",
  "Step back": "M11.5 3v10L4 8z",
  "Step on": "M4.5 3v10L12 8z",
  "Last step": "M12 3v10M3.5 3.5v9L10 8z",
} as const;

interface GoProperties {
  readonly label: keyof typeof signs;
  readonly to: number;
  readonly seq: number;
  readonly last: number;
  readonly choose: (seq: number) => void;
}

function Go({ label, to, seq, last, choose }: GoProperties) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      disabled={to < 1 || to > last || to === seq}
      onClick={() => choose(to)}
    >
      <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
        <path d={signs[label]} />
      </svg>
    </button>
  );
}

function percent(share = 0): string {
  return `${(share * 100).toFixed(3)}%`;
}
