/**
 * Times of the local wall clock, as people write and read them. Numbers are milliseconds since the epoch.
 * Pure.
 */

/** `2026-11-24 16:05:09.123` */
export function formatTime(time: number): string {
  return `${formatDay(time)} ${formatClock(time)}`;
}

/** `2026-11-24` */
export function formatDay(time: number): string {
  const date = new Date(time);
  return `${date.getFullYear()}-${digits(date.getMonth() + 1)}-${digits(date.getDate())}`;
}

/** `16:05:09.123` */
export function formatClock(time: number): string {
  const date = new Date(time);
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map((each) => digits(each)).join(":");
  return `${clock}.${digits(date.getMilliseconds(), 3)}`;
}

/** `2026-11-24 16:05:09.123+01:00`, for readers whose clock may be in another zone. */
export function formatZonedTime(time: number): string {
  return `${formatTime(time)}${offsetOf(time)}`;
}

/** The zone of the local clock at a time: `UTC+01:00`. */
export function formatZone(time: number): string {
  return `UTC${offsetOf(time)}`;
}

function offsetOf(time: number): string {
  const minutes = -new Date(time).getTimezoneOffset();
  const whole = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${digits(Math.floor(whole / 60))}:${digits(whole % 60)}`;
}

/**
 * Accepts a clock time (`16:05` or `16:05:09.123`), a day (which means its midnight), or both, in the formats
 * above or as ISO 8601.
 * @param on any time on the day to which a clock time without a date belongs
 * @returns undefined if the text is not a time
 */
export function parseTime(text: string, on: number): number | undefined {
  const whole = /^\d\d?:/.test(text)
    ? `${formatDay(on)} ${text.replace(/^\d:/, "0$&")}`
    : text.replace(/^[\d-]{10}$/, "$& 00:00");
  const isTime = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?$/.test(whole);
  const time = isTime ? Date.parse(whole) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}

function digits(value: number, count = 2): string {
  return String(value).padStart(count, "0");
}
