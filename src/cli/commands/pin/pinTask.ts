/** `pin` and `unpin`: keep histories of tasks, or allow their removal again. */
import { DriverError } from "../../../base/errors.ts";
import { shortNameOf } from "../../../base/taskId.ts";
import { pinHistory, readPins, unpinHistory } from "../../../store/folder/keptHistories.ts";
import { stateFolders } from "../../../store/folder/logFolders.ts";
import { formatTime } from "../../../units/times.ts";
import { visible } from "../../../units/visible.ts";
import { EventLogs, type TaskPlace } from "../../histories/eventLogs.ts";
import { requireRoot } from "../../requireRoot.ts";
import { print, printRows } from "../../terminal/output.ts";
import { formatTable } from "../../terminal/table.ts";

type Which = Pick<TaskPlace, "name" | "back">;

/**
 * @returns the exit code
 * @throws DriverError `USER_FORBIDDEN`, `TASK_NOT_FOUND`, `STATE_DIR_UNUSABLE`; `UNSUPPORTED` for a task in a
 *   bundle
 */
export async function pinTask(which: Which, reason: string, stateDir: string): Promise<number> {
  const { id, folder } = await find(which, stateDir);
  pinHistory(folder, { task: id, reason, at: Date.now() });
  print(`pinned ${visible(id)}`);
  return 0;
}

/**
 * @returns the exit code
 * @throws DriverError as {@link pinTask}, and `TASK_NOT_FOUND` for a task that is not pinned
 */
export async function unpinTask(which: Which, stateDir: string): Promise<number> {
  const { id, folder } = await find(which, stateDir);
  if (!unpinHistory(folder, id)) {
    throw new DriverError("TASK_NOT_FOUND", `${visible(shortNameOf(id))} is not pinned`, {
      hint: "To list pinned histories: nomad-driver-exec2 pin. To name an earlier run: --run",
    });
  }
  print(`unpinned ${visible(id)}`);
  return 0;
}

/** @returns the exit code */
export async function listPins(stateDir: string, json: boolean): Promise<number> {
  requireRoot("only root can read the driver's state folder");
  const pins = stateFolders(stateDir)
    .flatMap(readPins)
    .toSorted((a, b) => a.at - b.at);
  if (pins.length === 0 && !json) print("Nothing is pinned.");
  const rows = pins.map(({ task, at, reason }) => [visible(task), formatTime(at), visible(reason)]);
  printRows("pin", pins, json, (_, width) =>
    rows.length === 0 ? "" : formatTable([["TASK", "PINNED", "REASON"], ...rows], width),
  );
  return 0;
}

async function find(which: Which, stateDir: string): Promise<{ id: string; folder: string }> {
  requireRoot("only root can write to the driver's state folder");
  await using logs = await EventLogs.open(stateDir);
  const run = logs.find(which);
  const folder = logs.stateFolderOf(run);
  if (folder !== undefined) return { id: run.id, folder };
  throw new DriverError("UNSUPPORTED", `task ${which.name} is in a bundle, from which nothing is removed`);
}
