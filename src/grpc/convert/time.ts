/** Converts between the driver's milliseconds and protobuf's times. Pure. */
import type { Duration } from "../generated/google/protobuf/duration.ts";
import type { Timestamp } from "../generated/google/protobuf/timestamp.ts";

/** Go's zero time, January 1 of the year 1, which means "never" to agents. */
const never: Timestamp = { seconds: -62_135_596_800, nanos: 0 };

/** @param ms since the Unix epoch */
export function timestampOf(ms: number | undefined): Timestamp {
  if (ms === undefined) return never;
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanos: Math.floor((ms - seconds * 1000) * 1e6) };
}

/** Milliseconds of a duration, or of a time since the Unix epoch; 0 if it is absent. */
export function msOf(time: Duration | Timestamp | undefined): number {
  return time === undefined ? 0 : time.seconds * 1000 + time.nanos / 1e6;
}

export function durationOf(ms: number): Duration {
  const seconds = Math.trunc(ms / 1000);
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1e6) };
}
