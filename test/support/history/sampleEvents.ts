/** Events to test stores with. Their content does not matter. */
import type { EventToAppend } from "../../../src/store/eventStore.ts";

/** An event with a label. */
export function sampleEvent(label: string | number, data: unknown = { label }): EventToAppend {
  return {
    type: "signalled",
    schema: 1,
    time: 1_764_000_000_123.5,
    data,
    from: "running",
    to: "running",
    effects: ["sendStopSignal", "startKillTimer"],
  };
}

export const labelOf = (event: EventToAppend): unknown => (event.data as { label: unknown }).label;

/** Events 1, 2, … of a stream, each labelled with the stream's name and its own number. */
export function samples(stream: string, from: number, count: number): EventToAppend[] {
  return Array.from({ length: count }, (_, index) => sampleEvent(`${stream} ${from + index}`));
}
