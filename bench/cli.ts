/**
 * Measures the duration of verbs, with few tasks in the log and with many, compared with an empty program of
 * the same runtime. Verbs for running tasks get a task that does not run: they read the log, and fail. After
 * `npm run build`: `node bench/cli.ts [tasks] [rounds]`.
 */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { openEventStore } from "../src/store/lmdb/lmdbEventStore.ts";
import { allLives, life } from "../test/support/history/history.ts";
import { recorderOf } from "../test/support/history/recorder.ts";
import { printTimes } from "./figures.ts";

const many = Number(process.argv[2] ?? 10_000);
const rounds = Number(process.argv[3] ?? 15);
const program = join(import.meta.dirname, "../dist/plugin/nomad-driver-exec2");

for (const count of [10, many]) {
  const stateDir = mkdtempSync("/tmp/exec2-bench-");
  try {
    await fillLog(stateDir, count);
    const last = idOf(count, nameOf(count));
    const job = join(import.meta.dirname, "../examples/hello.nomad.hcl");
    const ofLog: readonly (readonly string[])[] = [
      ["ps"],
      ["ps", "--all"],
      ["events"],
      ["events", last],
      ["events", "seldom"],
      ["why", last],
      ["why", "seldom"],
      ["diff", last, idOf(count - 5, nameOf(count - 5))],
      ["replay", "--plain", last],
      ["replay", "--check", last],
      ["export", last],
      ["wait", last],
      ["pin"],
      ["pin", last],
      ["unpin", last],
      ["archive", "--older-than", "1000d", "--dry-run"],
      ["logs", last],
      ["exec", last, "true"],
      ["ls", last],
      ["stop", last],
      ["restart", last],
      ["signal", last, "HUP"],
      ["doctor"],
    ];
    const others: readonly (readonly string[])[] = [
      ["clean", "--dry-run"],
      ["validate", job],
      ["completion", "bash"],
      ["help", "run"],
      ["version"],
    ];
    const bare = times(process.execPath, ["-e", "0"]);
    const measure = (verb: readonly string[], ...more: string[]) => {
      const label = `${count} tasks: ${verb.map((word) => word.split("/").at(-1)?.slice(0, 12)).join(" ")}`;
      const [name = "", ...rest] = verb;
      printTimes(label, times(program, [name, ...more, ...rest]), bare);
    };
    for (const verb of ofLog) measure(verb, "--state-dir", stateDir);
    if (count === many) for (const verb of others) measure(verb);
  } finally {
    rmSync(stateDir, { recursive: true });
  }
}

/** Fills a log mostly with runs of one task, as a service that is often restarted leaves them. */
async function fillLog(stateDir: string, count: number): Promise<void> {
  const store = await openEventStore(join(stateDir, "events"));
  const record = recorderOf(store);
  for (let task = 1; task <= count; task++) {
    await record(idOf(task, nameOf(task)), life(allLives[task % allLives.length] ?? "ended"));
  }
  // This task is still running.
  await record(idOf(count + 1, "seldom"), life("ended").slice(0, 4));
  await store.close();
}

/** Ids in random order, like those of agents. */
function idOf(task: number, name: string): string {
  const digits = createHash("sha256").update(String(task)).digest("hex");
  const parts = [8, 4, 4, 4, 12].map((length, index) => digits.slice(index * 12, index * 12 + length));
  return `${parts.join("-")}/${name}/${digits.slice(-8)}`;
}

function nameOf(task: number): string {
  return task % 10 === 0 ? `task${task}` : "web";
}

function times(command: string, args: readonly string[]): number[] {
  return Array.from({ length: rounds }, () => {
    const begun = performance.now();
    const { status, stderr } = spawnSync(command, args, { encoding: "utf8", maxBuffer: 2 ** 30 });
    // Exit code 1 means that `diff` found a difference, and 125 that the task is not running.
    if (status === null || ![0, 1, 125].includes(status)) throw new Error(`${args.join(" ")}: ${stderr}`);
    return performance.now() - begun;
  });
}
