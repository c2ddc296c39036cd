/** The steps along the time, and a bar to go through them. */
import { formatSpan } from "../../cli/terminal/time.ts";
import type { StepLine } from "../story.ts";

interface Properties {
  readonly steps: readonly StepLine[];
  readonly seq: number;
  readonly choose: (seq: number) => void;
}

export function Timeline({ steps, seq, choose }: Properties) {
  const [first, last] = [steps[0]?.time ?? 0, steps.at(-1)?.time ?? 0];
  // Most happens at the beginning: by its root the time there has the more room.
  const place = (time: number) => 1 + 98 * Math.sqrt(Math.max(0, time - first) / Math.max(1, last - first));
  return (
    <div class="timeline">
      <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <rect class="line" x="0" y="2.7" width="100" height="0.6" />
        {steps.map((step) => (
          <rect
            key={step.seq}
            class={`${step.bad ? "bad" : ""} ${step.seq === seq ? "at" : ""}`}
            x={place(step.time) - 0.2}
            y={step.seq === seq ? 0 : 1}
            width="0.4"
            height={step.seq === seq ? 6 : 4}
          />
        ))}
      </svg>
      <input
        type="range"
        aria-label="Moment of its history"
        aria-valuetext={`${seq} of ${steps.length}: ${steps[seq - 1]?.title ?? ""}`}
        min={1}
        max={steps.length}
        value={seq}
        onInput={({ currentTarget }) => choose(Number(currentTarget.value))}
      />
      <span>
        step {seq} of {steps.length}, {formatSpan(Math.max(0, (steps[seq - 1]?.time ?? first) - first))} after
        the request
      </span>
    </div>
  );
}
