import { statSync } from "node:fs";
import { expect, test } from "vitest";
import { CaptureReplay } from "../../support/agent/captureReplay.ts";
import { withEventLog } from "../../support/history/eventLog.ts";
import { eventually } from "../../support/host/eventually.ts";
import { runFoldersIn } from "../../support/plugin/pluginTraces.ts";

const exited = (exitCode: number) => ({ exitCode, signal: 0, oomKilled: false });
const diedOf = (signal: number) => ({ exitCode: 128 + signal, signal, oomKilled: false });

test("batch-exit: tasks end with their own codes, as users of their own", async () => {
  const replay = new CaptureReplay("batch-exit.jsonl");
  await replay.run();
  expect(replay.ends).toEqual({ ae2c5386: exited(7), "2ba3dc70": exited(0) });
  const { stdout, taskFolder } = replay.tasks.allocation("37850218-1601-e4b1-86c9-17a8cd8c5ceb/who/2ba3dc70");
  expect(await stdout.text()).toBe("ids=65534 65534 nobody\n");
  expect(statSync(`${taskFolder}/local/made`).uid).toBe(65534);
  await expectNothingLeft(replay);
});

test("service-stop: SIGTERM ends a server, for which the recorded driver reported 255; another server handles the signal", async () => {
  const replay = new CaptureReplay("service-stop.jsonl");
  await replay.run();
  expect(replay.ends).toEqual({ "9f91ed29": diedOf(15), b9e71068: exited(5) });
  await expectNothingLeft(replay);
});

test("signal: two signals arrive, and a stop without a signal is an interrupt", async () => {
  const replay = new CaptureReplay("signal.jsonl");
  await replay.run();
  expect(replay.ends).toEqual({ e081e81b: diedOf(2) });
  const { stdout } = replay.tasks.allocation("a5876a51-1470-8557-2ef3-340e7ecb6e9e/main/e081e81b");
  expect(await stdout.text()).toBe("up\ngot-term\ngot-term\n");
  await expectNothingLeft(replay);
});

test("restart: the stop of the old run does not end the new run, as it did with the recorded driver", async () => {
  const replay = new CaptureReplay("restart.jsonl", { "64278615": "runs=2\n" });
  await replay.run();
  expect(replay.ends).toEqual({
    "1780f38f": exited(9),
    "72e1bc89": exited(9),
    c9219ade: diedOf(2),
    "4432833e": diedOf(2),
    "64278615": diedOf(9),
  });
  await expectNothingLeft(replay);
});

test("start-failed: a task without logs starts, although its start failed with the recorded driver", async () => {
  const replay = new CaptureReplay("start-failed.jsonl");
  await replay.run();
  const taskId = "c80423bf-e068-9d47-af6c-263a27edc69c/quiet/a36d15ea";
  await replay.tasks.allocation(taskId).cgroup.empty();
  const types = await withEventLog(replay.stateDir, (log) =>
    [...log.readStream(taskId)].map(({ type }) => type),
  );
  expect(types).toContain("started");
});

test.each([
  ["plugin-crash", { decb5ea4: exited(19), "2e26da97": exited(6), "8a2b2121": exited(23) }],
  ["agent-restart", { "5e5bbc31": exited(19), "09af4e35": exited(6), a2ce5649: exited(23) }],
  ["agent-crash", { c47a3e50: exited(19), "15db52b1": exited(6), "4860945d": exited(23) }],
  ["both-crash", { ed6f83e2: exited(19), "25b732a9": exited(6), "5eba089c": exited(23) }],
])("%s: three tasks go on, and end normally", async (capture, ends) => {
  const replay = new CaptureReplay(`${capture}.jsonl`);
  await replay.run();
  expect(replay.ends).toEqual(ends);
  expect(await endsOf(replay)).toEqual({
    19: ["started", "exited", "destroyed"],
    6: ["started", "recovered", "signalled", "stopRequested", "signalled", "exited", "destroyed"],
    23: ["started", "recovered", "exited", "destroyed"],
  });
  await expectNothingLeft(replay);
});

/** The types of each task's events from the fourth on, by the task's exit code. */
async function endsOf({ stateDir }: CaptureReplay): Promise<Record<number, string[]>> {
  return withEventLog(stateDir, (log) =>
    Object.fromEntries(
      [...log.streams()].map(({ stream }) => {
        const events = [...log.readStream(stream)];
        const exit = events.find(({ type }) => type === "exited")?.data as { exitCode: number };
        return [exit.exitCode, events.map(({ type }) => type).slice(3)];
      }),
    ),
  );
}

/** Expects that every task's history is complete, and that no process or file of any task is left. */
async function expectNothingLeft({ stateDir, tasks }: CaptureReplay): Promise<void> {
  for (const { cgroup } of tasks.allocations) await cgroup.empty();
  const ends = await withEventLog(stateDir, (log) =>
    [...log.streams()].map(({ stream, version }) => [...log.readStream(stream, version)].at(-1)?.to),
  );
  expect(new Set(ends)).toEqual(new Set(["destroyed"]));
  await eventually(() => expect(runFoldersIn(stateDir)).toEqual([]));
}
