/** The `startFailed` event of a task: what its agent is told, too. */
import type { DriverError } from "../errors.ts";
import type { EventData } from "../machines/events.ts";

export function startFailedEvent({
  code,
  message,
  recoverable,
  failed,
}: DriverError): EventData<"startFailed"> {
  return { code, message, recoverable, failed: failed ?? null };
}
