/** `events` and `doctor` from end to end, over what `run` leaves in the log. */
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call, shellJob, start } from "../../support/screen/commandLine.ts";

const lived = ["requested", "fingerprinted", "sandboxed", "started", "exited", "destroyed"];

interface PrintedEvent {
  readonly position: number;
  readonly stream: string;
  readonly type: string;
}

const jsonLines = (text: string) =>
  text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as PrintedEvent);

describe("the events of runs that are over", () => {
  it("are listed for each task, and for all tasks", async () => {
    const stateDir = temporaryFolder();
    const secret = "correct-horse-battery";
    const job = shellJob("exit 3", `env {\n PASSWORD = "${secret}"\n}`);
    await call(["run", "--state-dir", stateDir, job]);
    await call(["run", "--state-dir", stateDir, job]);

    const events = (...args: string[]) => call(["events", "--state-dir", stateDir, ...args]);
    const all = await events();
    expect(all.code).toBe(0);
    const [header, ...rows] = all.stdout.trimEnd().split("\n");
    expect(header).toMatch(/^TASK +ALLOCATION +JOB +STATE/);
    expect(rows).toHaveLength(2);
    for (const row of rows) expect(row).toMatch(/^task +[0-9a-f]{8} +test +failed .* exit code 3$/);

    const several = await events("task");
    expect(several.stdout).toMatch(/^newest of 2 runs; others: exit 3\ntask of job test, /);

    const stored = await events("--json");
    const printed = jsonLines(stored.stdout);
    expect(printed.map(({ type }) => type)).toEqual([...lived, ...lived]);
    expect(stored.stdout).toContain("PASSWORD");
    expect(stored.stdout).not.toContain(secret);

    const [first] = printed;
    const one = await events(first?.stream.slice(0, 8) ?? "");
    for (const type of lived) expect(one.stdout).toContain(type);
    expect(one.stdout).toContain("pending → fingerprinted");
    expect(one.stdout).not.toContain(secret);
  });

  it("are shown in every format, for a task and for all tasks", async () => {
    const stateDir = temporaryFolder();
    await call(["run", "--state-dir", stateDir, shellJob("exit 3")]);
    const events = async (...args: string[]) =>
      (await call(["events", "--state-dir", stateDir, ...args])).stdout;
    const lines = await events("task", "--format", "jsonl");
    expect(lines).toBe(await events("--json"));
    expect(JSON.parse(await events("task", "--format", "json"))).toEqual(jsonLines(lines));
    expect(await events("task", "--format", "table")).toBe(await events("task"));
    const diagram = await events("task", "--format", "mermaid");
    expect(diagram).toMatch(
      /^```mermaid\nsequenceDiagram\n[\s\S]*\n {2}task-->>driver: 5 exited [\s\S]*\n```\n$/,
    );
    // The log has only one task, so the verb needs no name.
    expect(await events("--format", "mermaid")).toBe(diagram);
    const unknown = await call(["events", "--state-dir", stateDir, "nobody", "--format", "mermaid"]);
    expect(unknown).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("TASK_NOT_FOUND") });
  });

  it("as JSON name their job and task, and begin after a position", async () => {
    const stateDir = temporaryFolder();
    await call(["run", "--state-dir", stateDir, shellJob("exit 3")]);
    const events = async (...args: string[]) => call(["events", "--state-dir", stateDir, ...args]);
    const all = jsonLines((await events("--json")).stdout);
    for (const each of all) expect(each).toMatchObject({ job: "test", task: "task" });
    const at = all[2]?.position ?? 0;
    const later = await events("--json", "--after", String(at));
    expect(jsonLines(later.stdout)).toEqual(all.slice(3));
    expect((await events("--json", "--after", String(all.at(-1)?.position))).stdout).toBe("");
    // A log that ends before the position is another one.
    expect(jsonLines((await events("--json", "--after", "99999999")).stdout)).toEqual(all);
    expect((await events("--after", "1")).code).toBe(2);
    expect((await events("--json", "--after", "x")).code).toBe(2);
  });

  it("can be read in part, without an error when the reader ends", async () => {
    const stateDir = temporaryFolder();
    await call(["run", "--state-dir", stateDir, shellJob("true")]);
    const { child, ended } = start(["events", "--state-dir", stateDir, "--json"]);
    child.stdout?.destroy();
    expect(await ended).toMatchObject({ code: 0, stderr: "" });
  });
});

describe("the events of a task that runs", () => {
  it("are shown as they come, until the last one", async () => {
    const stateDir = temporaryFolder();
    const running = start(["run", "--state-dir", stateDir, shellJob("echo up; sleep 1000")]);
    await running.seen("up");
    const following = start(["events", "--state-dir", stateDir, "-f", "task"]);
    await following.seen("started");
    running.child.kill("SIGINT");
    expect((await running.ended).code).toBe(130);
    const { code, stdout } = await following.ended;
    expect(code).toBe(0);
    const types = [...stdout.matchAll(/\+[\d.]+ (?:ms|s) +(\w+)/g)].map(([, type]) => type);
    expect(types.slice(-4)).toEqual(["stopRequested", "signalled", "exited", "destroyed"]);
    const again = await call(["events", "--state-dir", stateDir, "-f", "task", "--format", "jsonl"]);
    expect(jsonLines(again.stdout).at(-1)).toMatchObject({ type: "destroyed" });
  });

  it("are kept apart from those of a run at the same time", async () => {
    const stateDir = temporaryFolder();
    const first = start(["run", "--state-dir", stateDir, shellJob("echo up; sleep 1000")]);
    await first.seen("up");
    const second = await call(["run", "--state-dir", stateDir, shellJob("exit 4")]);
    expect(second.code).toBe(4);
    const { stdout } = await call(["events", "--state-dir", stateDir]);
    expect(stdout).toMatch(/^task .* running /m);
    expect(stdout).toMatch(/^task .* failed .* exit code 4$/m);
    first.child.kill("SIGINT");
    await first.ended;
  });
});

describe("the doctor", () => {
  it("exits with 0 on a healthy host, and has the same content as JSON", async () => {
    const json = await call(["doctor", "--state-dir", temporaryFolder(), "--json"]);
    const report = JSON.parse(json.stdout) as { fit: boolean; checks: { name: string }[] };
    expect(report.fit).toBe(true);
    expect(json.code).toBe(0);
    const text = await call(["doctor", "--state-dir", temporaryFolder()]);
    for (const { name } of report.checks) expect(text.stdout).toContain(name);
  });

  it("exits with 1 if nothing can be stored", async () => {
    const { code, stdout } = await call(["doctor", "--state-dir", "/proc/nowhere"]);
    expect(code).toBe(1);
    expect(stdout).toContain("Tasks cannot run on this host.");
  });

  it("prints a task's launch plan, and none of its secrets", async () => {
    const secret = "correct-horse-battery";
    const job = shellJob(": staple-marker", `env {\n PASSWORD = "${secret}"\n}`);
    const { code, stdout } = await call(["doctor", "--plan", job]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^task +execute the command: execve\("\/usr\/bin\/sh", \[…\], \[…\]\)$/m);
    expect(stdout).toMatch(/^rx +\/usr\/bin +default$/m);
    expect(stdout).not.toContain("staple-marker");
    const shown = await call(["doctor", "--plan", job, "--show-args"]);
    expect(shown.stdout).toMatch(
      /^task +execute the command: execve\("\/usr\/bin\/sh", \["sh", "-c", ": staple-marker"\], \[.*"PASSWORD=…"/m,
    );
    for (const text of [stdout, shown.stdout]) expect(text).not.toContain(secret);
  });
});
