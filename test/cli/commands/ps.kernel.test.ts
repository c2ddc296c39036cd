/** `ps` and `top` from end to end, over tasks that `run` has started. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { programEntry } from "../../support/plugin/pluginEntry.ts";
import { call, shellJob, start } from "../../support/screen/commandLine.ts";

const secret = "correct-horse-battery";

/** A busy task of a job, with a running plugin. */
async function busyTask() {
  const stateDir = temporaryFolder();
  const job = shellJob("echo up; while :; do :; done", `env {\n PASSWORD = "${secret}"\n}`);
  const run = start(["run", "--state-dir", stateDir, job]);
  await run.seen("up");
  return { stateDir, run };
}

describe("ps", () => {
  it("shows a task while the plugin runs, and afterwards the task's end", async () => {
    const { stateDir, run } = await busyTask();
    const ps = (...args: string[]) => call(["ps", "--state-dir", stateDir, ...args]);
    const live = await ps();
    expect(live.stdout.trimEnd().split("\n")).toEqual([
      expect.stringMatching(/^TASK +ALLOCATION +JOB +STATE +PID +USER +CPU +MEMORY +AGE$/),
      expect.stringMatching(
        /^task +[0-9a-f]{8} +test +running +\d+ +nomad-\d+ +[\d.]+ % +[\d.]+ [KM]iB +[\d.]+ \w+$/,
      ),
    ]);
    const json = await ps("--json");
    expect(JSON.parse(json.stdout)).toMatchObject({
      task: "task",
      job: "test",
      state: "running",
      processes: 1,
      exitCode: null,
    });
    expect(JSON.parse(json.stdout).cpuPercent).toBeGreaterThan(1);

    run.child.kill("SIGINT");
    await run.ended;
    expect((await ps()).stdout.trimEnd().split("\n")).toHaveLength(1);
    const all = await ps("--all", "--json");
    expect(JSON.parse(all.stdout)).toMatchObject({ state: "destroyed", pid: null, signal: 2, exitCode: 130 });
    expect((await ps("--all")).stdout).toContain("killed by SIGINT");
    for (const { stdout } of [live, json, all]) expect(stdout).not.toContain(secret);
  });

  it("folds the runs of a task that was restarted into one row, but not for scripts", async () => {
    const { stateDir, run } = await busyTask();
    for (let restarts = 0; restarts < 2; restarts++)
      expect((await call(["restart", "--state-dir", stateDir, "task"])).code).toBe(0);
    run.child.kill("SIGINT");
    await run.ended;
    const lines = async (...args: string[]) =>
      (await call(["ps", "--all", "--state-dir", stateDir, ...args])).stdout.trimEnd().split("\n");
    expect(await lines()).toEqual([
      expect.stringMatching(/ RUNS +FIRST +LAST +END$/),
      expect.stringMatching(/^task .* 3 +[\d.]+ \w+ ago +[\d.]+ \w+ ago +killed by SIG/),
    ]);
    expect(await lines("--json")).toHaveLength(3);
    expect(await lines("-q")).toHaveLength(3);
  });

  it("lists what filters choose, as a table, as names and by a template", async () => {
    const at = ["--state-dir", "test/fixtures/histories/ends.jsonl"];
    const ps = async (...args: string[]) => (await call(["ps", ...args, ...at])).stdout.trimEnd().split("\n");
    const all = await ps("--all", "--format", "{{.task}}\\t{{.result}}");
    expect(all).toContain("fails\tfailed");
    const failed = await ps("--filter", "failed", "--format", "{{.task}} {{.exitCode}}");
    expect(failed).toContain("fails 7");
    expect(failed.length).toBeLessThan(all.length);
    expect(await ps("--all", "--filter", "task=fa*s", "-q")).toEqual([expect.stringMatching(/fails/)]);
    expect(await ps("--filter", "failed", "-n", "1")).toEqual([
      expect.stringMatching(/^TASK /),
      expect.any(String),
      expect.stringMatching(/^\d+ earlier tasks? /),
    ]);
    expect(await call(["ps", "--filter", "jbo=x", ...at])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^EXPRESSION_INVALID: there is no filter jbo=x\nhint: Did you mean job\?/,
      ),
    });
    expect((await call(["ps", "--format", "{{.x", ...at])).stderr).toMatch(/^EXPRESSION_INVALID: the format/);
  });

  it("shows a task with a damaged event as far as it can be read, and all other tasks", async () => {
    const path = join(temporaryFolder(), "damaged.jsonl");
    const bundle = readFileSync("test/fixtures/histories/ends.jsonl", "utf8");
    writeFileSync(path, bundle.replace(/("type":"stopRequested".*)running/, "$1Running"));
    const { code, stdout, stderr } = await call(["ps", "--all", "--state-dir", path]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^warning: the log is damaged: event 5 of \S+ is not as it was stored/);
    expect(stdout).toMatch(/^stops .* killed .* killed by SIGINT$/m);
    expect(stdout).toMatch(/^fails .* failed .* exit code 7$/m);
  });

  it("fails with a hint if there is no event log", async () => {
    const { code, stderr } = await call(["ps", "--state-dir", temporaryFolder()]);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^STORE_FAILED: there is no event log.*\nhint: /s),
    ]);
  });
});

describe("top", () => {
  it("into a pipe prints one table", async () => {
    const { stateDir } = await busyTask();
    const { code, stdout } = await call(["top", "--delay", "0.5", "--state-dir", stateDir]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^TASK .*\ntask .* running .*\n$/);
    expect(stdout).not.toContain("\x1b");
  });

  it.each([
    ["q", "q"],
    ["Ctrl-C", "\x03"],
    ["Escape", "\x1b"],
  ])("on a terminal is drawn repeatedly until %s, and restores the terminal", async (_, key) => {
    const { stateDir } = await busyTask();
    const terminal = onTerminal(`top --delay 0.2 --state-dir ${stateDir}`);
    await terminal.shows(3);
    terminal.press(key);
    const { code, shown } = await terminal.ended;
    expect(code).toBe(0);
    expect(shown.startsWith("\x1b[?1049h\x1b[?25l")).toBe(true);
    expect(shown.endsWith("\x1b[?25h\x1b[?1049l")).toBe(true);
    expect(shown).toMatch(/1 task, CPU [\d.]+ %/);
  });

  it("as JSON prints one object for each matching task", async () => {
    const { stateDir } = await busyTask();
    const top = (...args: string[]) => call(["top", "--json", "-d", "0.3", ...args, "--state-dir", stateDir]);
    expect(JSON.parse((await top("tas", "--sort", "memory")).stdout)).toMatchObject({
      task: "task",
      state: "running",
    });
    expect(await top("nope")).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  it("on a terminal sorts and searches by keys", async () => {
    const { stateDir } = await busyTask();
    const terminal = onTerminal(`top --delay 60 --state-dir ${stateDir}`);
    await terminal.shows(2);
    for (const [drawn, key] of ["m", "/", "z", "z", "\r", "\x1b"].entries()) {
      terminal.press(key);
      await terminal.shows(3 + drawn);
    }
    terminal.press("q");
    const { code, shown } = await terminal.ended;
    expect(code).toBe(0);
    expect(shown).toMatch(/by memory.*search: zz_.*No running task matches\./s);
  });

  it.each(["0", "x", "100000"])("refuses a delay of %s", async (delay) => {
    const { code, stderr } = await call(["top", "--delay", delay]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("Expected seconds, from")]);
  });
});

/** The program on a new terminal, which script(1) creates. */
function onTerminal(args: string) {
  const command = `stty cols 80 rows 24; exec ${process.execPath} ${programEntry} ${args}`;
  const child = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { PATH: process.env.PATH, TERM: "xterm", SHELL: "/bin/sh" },
  });
  let shown = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    shown += text;
  });
  return {
    press: (key: string) => child.stdin.write(key),
    /** Resolves once the program has drawn this number of screens. */
    shows: async (pictures: number) => {
      while (shown.split("\x1b[H").length <= pictures) await once(child.stdout, "data");
    },
    ended: once(child, "close").then(([code]) => ({ code, shown })),
  };
}
