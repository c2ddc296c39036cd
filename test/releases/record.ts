/**
 * What a release leaves on a host: its state folder, with a task that runs and tasks of every kind of end, and what its
 * verbs say of them. `node test/releases/record.ts EXECUTABLE [FOLDER]` keeps it in test/fixtures/releases/VERSION.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { shellJob } from "../agent/harness/hcl.ts";

/** Each script ends in another way. The first argument of `run` options follows. */
const ends: Readonly<Record<string, readonly [script: string, ...options: string[]]>> = {
  good: ["echo out; echo err >&2"],
  failed: ["echo no space left on device; exit 7"],
  killed: ["kill -SEGV $$"],
  refused: ["true", "-o", "unveil_by_task=false"],
  stopped: ["echo ready; exec sleep 1000", "--stop-after", "1s"],
};

/** Longer than a sample of usage takes, so that there is one. */
const sampling = ["-o", "usage_interval=1s"];

/**
 * @param folder for the files: `state.tar.gz`, `bundle.jsonl`, `events.jsonl`
 * @throws Error if the release does not do what it should
 */
export async function recordRelease(executable: string, folder: string): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), "release-"));
  const state = join(work, "state");
  const jobOf = (name: string, script: string, config = "") => {
    const path = join(work, `${name}.nomad.hcl`);
    writeFileSync(path, shellJob(name, script, { config }));
    return path;
  };
  const read = (...args: string[]) =>
    execFileSync(executable, [...args, "--state-dir", state], { encoding: "utf8", maxBuffer: 2 ** 28 });
  try {
    for (const [name, [script, ...options]] of Object.entries(ends)) {
      const config = name === "refused" ? 'unveil = ["r:/etc/shadow"]' : "";
      const args = ["run", "--state-dir", state, ...sampling, ...options, jobOf(name, script, config)];
      const { error } = spawnSync(executable, args, { stdio: "ignore" });
      if (error) throw error;
    }
    const running = jobOf("running", "echo ready; exec sleep 1000");
    const run = spawn(executable, ["run", "--state-dir", state, ...sampling, running], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    const exit = once(run, "exit");
    try {
      await once(createInterface({ input: run.stdout }), "line", { signal: AbortSignal.timeout(60_000) });
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, "bundle.jsonl"), read("export", "--all", "--show-args"));
      writeFileSync(join(folder, "events.jsonl"), read("events", "--json"));
      // No task does anything now, so the plugin writes nothing while its files are copied.
      execFileSync("tar", ["-C", work, "--exclude=*.sock", "-czSf", join(folder, "state.tar.gz"), "state"]);
    } finally {
      run.kill("SIGINT");
      await exit;
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const [executable, folder] = process.argv.slice(2);
  if (executable === undefined) throw new Error("node test/releases/record.ts EXECUTABLE [FOLDER]");
  const version = execFileSync(executable, ["version"], { encoding: "utf8" }).match(/\d+\.\d+\.\d+\S*/)?.[0];
  await recordRelease(
    executable,
    folder ?? join(import.meta.dirname, "../fixtures/releases", version ?? "unknown"),
  );
}
