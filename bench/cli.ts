/**
 * How long the verbs that read the event log take, from their start to their end, beside a program of
 * the same runtime that does nothing, with few tasks in the log and with many.
 * After `npm run build`: `node bench/cli.ts [tasks]`.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { openEventStore } from "../src/store/lmdb/lmdbEventStore.ts";
import { allLives, life } from "../test/support/agent/lives.ts";
import { idOf, recorderOf } from "../test/support/screen/inspector.ts";
import { printTimes } from "./statistics.ts";

const many = Number(process.argv[2] ?? 10_000);
const rounds = 15;
const program = join(import.meta.dirname, "../dist/plugin/nomad-driver-exec2");

for (const count of [10, many]) {
  const stateDir = mkdtempSync("/tmp/exec2-bench-");
  try {
    await fillLog(stateDir, count);
    const last = idOf(count, nameOf(count));
    const verbs: readonly (readonly string[])[] = [
      ["ps"],
      ["ps", "--all"],
      ["events"],
      ["events", last],
      ["why", last],
      ["why", "seldom"],
      ["diff", last, idOf(count - 5, nameOf(count - 5))],
      ["replay", "--plain", last],
      ["export", last],
    ];
    const bare = times(process.execPath, ["-e", "0"]);
    for (const verb of verbs) {
      const label = `${count} tasks: ${verb.map((word) => word.slice(0, 12)).join(" ")}`;
      printTimes(label, times(program, [...verb, "--state-dir", stateDir]), bare);
    }
  } finally {
    rmSync(stateDir, { recursive: true });
  }
}

/** Mostly runs of one task, as a service that is restarted or a job that is run again and again leaves them. */
async function fillLog(stateDir: string, count: number): Promise<void> {
  const store = await openEventStore(join(stateDir, "events"));
  const record = recorderOf(store);
  for (let task = 1; task <= count; task++) {
    await record(idOf(task, nameOf(task)), life(allLives[task % allLives.length] ?? "ended"));
  }
  // It goes on.
  await record(idOf(count + 1, "seldom"), life("ended").slice(0, 4));
  await store.close();
}

function nameOf(task: number): string {
  return task % 10 === 0 ? `task${task}` : "web";
}

function times(command: string, args: readonly string[]): number[] {
  return Array.from({ length: rounds }, () => {
    const begun = performance.now();
    const { status, stderr } = spawnSync(command, args, { encoding: "utf8", maxBuffer: 2 ** 30 });
    // 1: what `diff` compares differs.
    if (status !== 0 && status !== 1) throw new Error(`${args.join(" ")}: ${stderr}`);
    return performance.now() - begun;
  });
}
