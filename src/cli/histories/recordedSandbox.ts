/** The request and the sandbox of a recorded run. */
import { DriverError } from "../../base/errors.ts";
import { type SandboxedRun, sandboxedRun } from "../../history/access/may.ts";
import { EventLogs, type TaskPlace } from "./eventLogs.ts";

/** @throws DriverError `TASK_NOT_FOUND`, `STORE_FAILED`; `SANDBOX_UNKNOWN` for a run that never had a sandbox */
export async function readSandbox(
  place: TaskPlace,
): Promise<{ readonly id: string; readonly run: SandboxedRun }> {
  await using logs = await EventLogs.openFor(place);
  const { history } = logs.history(place, false);
  const run = sandboxedRun(history.finalState.context);
  if (run === undefined) {
    throw new DriverError("SANDBOX_UNKNOWN", `no sandbox is recorded for ${history.stream}`, {
      hint: "Its start failed earlier, or it was taken over from another driver: try another run with --run",
    });
  }
  return { id: history.stream, run };
}
