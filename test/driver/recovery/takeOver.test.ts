import { existsSync } from "node:fs";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { DriverError, type ErrorCode } from "../../../src/base/errors.ts";
import { toTaskId } from "../../../src/base/taskId.ts";
import type { RunCommands } from "../../../src/driver/exec/commands.ts";
import type { RecordedTask } from "../../../src/driver/history/recordedTask.ts";
import { UnsavedEvents } from "../../../src/driver/history/unsavedEvents.ts";
import { takeOver } from "../../../src/driver/recovery/recovery.ts";
import type { DriverServices } from "../../../src/driver/services.ts";
import { fold } from "../../../src/machines/taskMachine.ts";
import { event } from "../../support/history/history.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { recordingLogger } from "../../support/recordingLogger.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

/** A task that has ended while no plugin watched, and whose end the log refuses at first. */
async function takenOver(refusal: ErrorCode) {
  const runFolder = temporaryFolder();
  const snapshot = fold([
    event("requested"),
    event("fingerprinted"),
    event("sandboxed", { runFolder }),
    event("started"),
    event("exited"),
  ]);
  let refuses = true;
  const task = {
    ...{ id: toTaskId("alloc/web/00000001"), snapshot, state: "exited" },
    stored: async () => {
      if (refuses) throw new DriverError(refusal, "no space left on device");
    },
  } as unknown as RecordedTask;
  const log = recordingLogger();
  const unsaved = new UnsavedEvents(log);
  const commands = { endAbandoned: async () => undefined } as unknown as RunCommands;
  await takeOver(task, commands, { unsaved, log } as unknown as DriverServices);
  expect(existsSync(runFolder)).toBe(true);
  refuses = false;
  await vi.runAllTimersAsync();
  await unsaved.whenStored(task);
  return runFolder;
}

it("an end that a full log refused is stored once there is room, and the run's files are removed then", async () => {
  const runFolder = await takenOver("STORE_FAILED");
  await vi.waitFor(() => expect(existsSync(runFolder)).toBe(false));
});

it("the files of a run stay if its end can never be stored", async () => {
  const runFolder = await takenOver("STORE_DAMAGED");
  await new Promise(setImmediate);
  expect(existsSync(runFolder)).toBe(true);
});
