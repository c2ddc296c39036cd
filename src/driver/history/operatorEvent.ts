/** The event of what an operator does with a task, from the words of the operator's program. Pure. */
import { DriverError } from "../../base/errors.ts";
import { operatorActs } from "../../machines/events/operator.ts";
import type { EventData } from "../../machines/events.ts";
import type { OperatorRequest } from "../driverPort.ts";

/** Maximum characters of a path, which may have 4,096 bytes, and of a login. */
const maxCharacters = { what: 4_096, by: 256 };

/** @throws DriverError `UNSUPPORTED` for an act that this version does not know */
export function operatorEvent({ act: given, what, by }: OperatorRequest): EventData<"operated"> {
  const act = operatorActs.find((each) => each === given);
  if (act !== undefined)
    return { act, what: what.slice(0, maxCharacters.what), by: by.slice(0, maxCharacters.by) };
  throw new DriverError("UNSUPPORTED", "the task's plugin does not know what is to be done", {
    hint: "Use the program of the same version as the plugin",
  });
}
