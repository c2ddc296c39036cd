/** The `startFailed` event of a task, with the error that its agent gets. */
import type { DriverError } from "../../errors.ts";
import type { EventData } from "../../machines/events.ts";

export function startFailedEvent(error: DriverError): EventData<"startFailed"> {
  const { code, message, summary, failed = null, hint = null, recoverable } = error;
  return { code, message, summary, failed, hint, recoverable };
}
