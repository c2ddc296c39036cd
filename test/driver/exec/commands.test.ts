import { Readable, Writable } from "node:stream";
import { beforeEach, expect, test, vi } from "vitest";
import { DriverError } from "../../../src/base/errors.ts";
import type { ExitStatus } from "../../../src/base/taskEnd.ts";
import type { RunDenials } from "../../../src/driver/denials/runDenials.ts";
import { type CommandServices, RunCommands } from "../../../src/driver/exec/commands.ts";
import type { RecordedTask } from "../../../src/driver/history/recordedTask.ts";
import type { RunningCommand } from "../../../src/effects/exec/runInTask.ts";
import { fold } from "../../../src/machines/taskMachine.ts";
import { event } from "../../support/history/history.ts";
import { recordingLogger } from "../../support/recordingLogger.ts";

const spawned = vi.hoisted(() => ({ next: undefined as unknown as PromiseWithResolvers<RunningCommand> }));
// The pause before a repetition is over at once, and a limit is never reached.
vi.mock("node:timers/promises", () => ({
  setTimeout: (ms: number) => new Promise<void>((resolve) => ms === 1_000 && resolve()),
}));
vi.mock("../../../src/effects/exec/runInTask.ts", () => ({ runInTask: () => spawned.next.promise }));
vi.mock("../../../src/effects/exec/taskEnviron.ts", () => ({ readTaskEnviron: () => ({}) }));
vi.mock("../../../src/effects/host/silentMounts.ts", () => ({ waitForAnswersInTask: async () => undefined }));
vi.mock("../../../src/effects/command/commandLookup.ts", () => ({
  candidatesOf: () => [],
  resolveCommand: () => "/bin/check",
}));
vi.mock(import("../../../src/effects/processes/processIdentity.ts"), async (original) => ({
  ...(await original()),
  isSameProcess: () => true,
}));
vi.mock("../../../src/effects/root/listRoot.ts", () => ({
  TaskRootView: class {
    [Symbol.dispose]() {}
  },
}));

const request = { command: ["check"], terminal: false, size: undefined };

function setUp() {
  const snapshot = fold(
    (["requested", "fingerprinted", "sandboxed", "started"] as const).map((type) => event(type)),
  );
  const recorded: string[] = [];
  const task = {
    id: "task",
    snapshot,
    state: snapshot.value,
    record: async (type: string) => {
      recorded.push(type);
      return true;
    },
  } as unknown as RecordedTask;
  const commands = new RunCommands(task, { addProcess: () => undefined } as unknown as RunDenials);
  const logger = recordingLogger();
  const services = { folder: { run: "/run" }, log: logger } as unknown as CommandServices;
  return { commands, recorded, logger, run: () => commands.run(request, services) };
}

/** A command that ends when it is killed. */
function commandThat(kill: () => void) {
  const ended = Promise.withResolvers<ExitStatus | undefined>();
  const command: RunningCommand = {
    stdin: new Writable(),
    stdout: Readable.from([]),
    stderr: Readable.from([]),
    resize: () => undefined,
    leader: { pid: 4711, startTicks: 1 },
    ended: ended.promise,
    kill: () => {
      kill();
      ended.resolve({ exitCode: 0, signal: 9, endedAtMs: 0 });
    },
  };
  return command;
}

beforeEach(() => {
  spawned.next = Promise.withResolvers();
});

test("a command that begins while the plugin ends is killed, refused and not recorded", async () => {
  const { commands, recorded, run } = setUp();
  const refused = expect(run()).rejects.toMatchObject({ code: "PLUGIN_FAILED", recoverable: true });
  const kill = vi.fn();
  const isEnded = commands.end();
  spawned.next.resolve(commandThat(kill));
  await refused;
  await isEnded;
  expect(kill).toHaveBeenCalledTimes(1);
  expect(recorded).toEqual([]);
  await expect(run()).rejects.toMatchObject({ code: "PLUGIN_FAILED" });
});

test("a running command is killed when the plugin ends, and its end is recorded before", async () => {
  const { commands, recorded, run } = setUp();
  spawned.next.resolve(commandThat(() => undefined));
  await run();
  await commands.end();
  expect(recorded).toEqual(["execStarted", "execExited"]);
});

test("a kill that the kernel refuses is logged and tried again", async () => {
  const { logger, run } = setUp();
  const kill = vi.fn<() => void>().mockImplementationOnce(() => {
    throw new DriverError("KERNEL_CALL_FAILED", "no descriptors are left");
  });
  spawned.next.resolve(commandThat(kill));
  const session = await run();
  session.cancel();
  await vi.waitFor(() =>
    expect(logger.lines.map(({ message }) => message)).toEqual(["a command cannot be killed yet"]),
  );
  await session.ended;
  expect(kill).toHaveBeenCalledTimes(2);
});
