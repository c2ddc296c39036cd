/** A bar of the task's states. Click, drag or step to any moment. */

import { useMemo, useRef } from "preact/hooks";
import { formatCount } from "../../../units/counts.ts";
import { formatDuration } from "../../../units/durations.ts";
import { formatZonedTime } from "../../../units/times.ts";
import type { Steps } from "../../views/stepTable.ts";
import { Tool } from "../buttons.tsx";
import { TimeScale } from "./timeScale.ts";

interface Properties {
  readonly steps: Steps;
  readonly seq: number;
  readonly choose: (seq: number) => void;
}

/** Maximum number of marks. More would merge into a grey area. */
const maxMarks = 400;

export function Timeline(properties: Properties) {
  return (
    <section class="card" aria-label="Time">
      <Bar {...properties} />
      <StepTools {...properties} />
    </section>
  );
}

function Bar({ steps, seq, choose }: Properties) {
  const bar = useRef<HTMLDivElement>(null);
  const scale = useMemo(() => new TimeScale(steps), [steps]);
  const marks = useMemo(() => marksOf(steps, scale), [steps, scale]);
  const goTo = ({ clientX }: PointerEvent) => {
    const { left, width } = bar.current?.getBoundingClientRect() ?? { left: 0, width: 1 };
    choose(scale.stepAt((clientX - left) / width));
  };
  return (
    <div
      ref={bar}
      class="bar"
      role="slider"
      tabIndex={0}
      aria-label="Moment of the task's history"
      aria-valuemin={1}
      aria-valuemax={steps.length}
      aria-valuenow={seq}
      aria-valuetext={`${seq} of ${steps.length}: ${steps.kindOf(seq).title}`}
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
      {marks.map(({ place, bad }) => (
        <i key={`${bad} ${place}`} class={bad ? "tick bad" : "tick"} style={{ left: place }} />
      ))}
      <span class="playhead" style={{ left: percent(scale.placeOf(seq)) }} />
    </div>
  );
}

/** The SVG paths of the buttons' icons. */
const signs: Readonly<Record<string, string>> = {
  "First step": "M4 3v10M12.5 3.5v9L6 8z",
  "Step back": "M11.5 3v10L4 8z",
  "Step on": "M4.5 3v10L12 8z",
  "Last step": "M12 3v10M3.5 3.5v9L10 8z",
};

/** Buttons that go from step to step, and the number and time of the shown step. */
function StepTools({ steps, seq, choose }: Properties) {
  const time = steps.timeOf(seq);
  const last = steps.length;
  const targets = { "First step": 1, "Step back": seq - 1, "Step on": seq + 1, "Last step": last };
  return (
    <div class="steps">
      {Object.entries(targets).map(([label, to]) => (
        <Tool
          key={label}
          title={label}
          label={label}
          isOff={to < 1 || to > last || to === seq}
          act={() => choose(to)}
        >
          <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
            <path d={signs[label]} />
          </svg>
        </Tool>
      ))}
      <span>
        Step {formatCount(seq)} of {formatCount(last)}
      </span>
      <span>+{formatDuration(Math.max(0, time - steps.timeOf(1)))}</span>
      <span class="wide">{formatZonedTime(time)}</span>
      <span class="hint wide">
        <kbd>←</kbd> <kbd>→</kbd> step, <kbd>Home</kbd> <kbd>End</kbd>, <kbd>Esc</kbd> all tasks
      </span>
    </div>
  );
}

interface Mark {
  readonly place: string;
  readonly bad: boolean;
}

/** Marks of all steps or, if there are too many steps, of errors only. Each place is marked once. */
function marksOf(steps: Steps, scale: TimeScale): Mark[] {
  const places = new Map<string, boolean>();
  for (let seq = 1; seq <= steps.length; seq++) {
    const bad = steps.isBad(seq);
    if (!bad && steps.length > maxMarks) continue;
    const place = percent(scale.placeOf(seq), steps.length > maxMarks ? 1 : 3);
    places.set(place, bad || places.get(place) === true);
  }
  return Array.from(places, ([place, bad]) => ({ place, bad }));
}

function percent(share: number, digits = 3): string {
  return `${(share * 100).toFixed(digits)}%`;
}
