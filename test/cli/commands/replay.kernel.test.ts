/** `replay` from end to end, over what `run` leaves in the log. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { stateFolderPaths } from "../../../src/store/folder/stateFolder.ts";
import { openEventStore } from "../../../src/store/lmdb/lmdbEventStore.ts";
import { event, life } from "../../support/history/history.ts";
import { RecordedLog } from "../../support/history/recordedLog.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call, shellJob } from "../../support/screen/commandLine.ts";

const secret = "correct-horse-battery";
const argument = "staple-marker";

describe("the replay of a run", () => {
  it("shows every moment with states, effects, their results and changes, and no secret", async () => {
    const stateDir = temporaryFolder();
    const job = shellJob(`: ${argument}; exit 3`, `env {\n PASSWORD = "${secret}"\n}`);
    await call(["run", "--state-dir", stateDir, job]);
    const replay = (...args: string[]) => call(["replay", "--state-dir", stateDir, ...args]);

    const { code, stdout, stderr } = await replay("task");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^task of job test, .*: 6 events\n\n {3}1 {2}requested {2}pending /);
    expect(stdout).toMatch(/2 {2}fingerprinted {2}pending → fingerprinted {2}[\d:.]+ \+\d+/);
    expect(stdout).toMatch(/effect launch → started \(4\) after /);
    expect(stdout).toContain("+ exit.exitCode 3\n");
    expect(stdout).toContain('+ request.options.args ["…","…"]\n');
    expect(await replay()).toMatchObject({ code: 0, stdout });

    const lines = await replay("task", "--json");
    const moments = lines.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { asRecorded: boolean });
    expect(moments).toHaveLength(6);
    expect(moments.every(({ asRecorded }) => asRecorded)).toBe(true);

    const shown = await replay("task", "--show-args");
    expect(shown.stdout).toContain(argument);
    for (const output of [stdout, lines.stdout]) expect(output).not.toContain(argument);
    expect(lines.stdout).toContain("PASSWORD");
    for (const output of [stdout, lines.stdout, shown.stdout]) expect(output).not.toContain(secret);
  });
});

describe("a breakpoint", () => {
  const replay = (where: string) =>
    call(["replay", "fails", "--state-dir", "test/fixtures/histories/ends.jsonl", "--break", where]);

  it("stops at the event with the exit code, as the help's example says", async () => {
    const { stdout } = await replay("exit.exitCode != 0");
    expect(stdout).toMatch(/^ {3}5 {2}exited /m);
    expect(stdout).not.toMatch(/^ {3}4 /m);
  });

  it("that no event matches is reported", async () => {
    expect((await replay("exit.exitCode == 99")).stdout).toMatch(
      /None of the task's 6 events matches exit\.exitCode == 99\.\n$/,
    );
  });

  it("with a field that is misspelt is refused", async () => {
    expect(await replay("exit.exitcode != 0")).toEqual({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(
        /^EXPRESSION_INVALID: .*exit has no field exitcode\nhint: Did you mean exitCode\?$/m,
      ),
    });
  });
});

describe("a check", () => {
  it("reports success if everything is verified", async () => {
    const stateDir = await logOf(
      new RecordedLog().add("a/web/1", life("killed")).add("b/db/1", life("lost")),
    );
    const all = await call(["replay", "--check", "--state-dir", stateDir]);
    expect(all).toMatchObject({ code: 0, stderr: "" });
    expect(all.stdout).toMatch(/^16 events of 2 tasks, with the machine of version \S+: all verified\n$/);
    const one = await call(["replay", "--check", "web", "--state-dir", stateDir]);
    expect(one.stdout).toMatch(/^10 events of 1 task,/);
  });

  it("exits with 1 and shows both sides if the present machine decides otherwise", async () => {
    const recorded = new RecordedLog().add("a/web/1", [...life("ended").slice(0, 4)]);
    const stateDir = await logOf(recorded, [
      { ...event("exited", { exitCode: 7 }), schema: 1, from: "running", to: "heaven", effects: ["sing"] },
    ]);
    const { code, stdout } = await call(["replay", "--check", "--state-dir", stateDir]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^a\/web\/1, event 5, exited of .*: diverges\n/);
    expect(stdout).toMatch(/recorded +running → heaven +sing\n +now +running → exited +releaseRun\n/);
    expect(stdout).toMatch(/data +\{"exitCode":7,/);
    expect(stdout).toMatch(/5 events of 1 task, .*: 1 task not as recorded\n$/);
    const json = JSON.parse((await call(["replay", "--check", "--json", "--state-dir", stateDir])).stdout);
    expect(json).toMatchObject({
      events: 5,
      findings: [{ kind: "divergence", seq: 5, now: { to: "exited" } }],
    });
    // No arguments, which the state's context would show unmasked.
    expect(JSON.stringify(json)).not.toContain("http.server");
  });

  it("exits with 1 and names the event if the log was changed", async () => {
    const stateDir = await logOf(new RecordedLog().add("a/web/1", life("ended")));
    const path = join(stateFolderPaths(stateDir).events, "data.mdb");
    const data = readFileSync(path);
    const at = data.lastIndexOf("python3");
    expect(at).toBeGreaterThan(0);
    data.write("Python3", at);
    writeFileSync(path, data);
    const { code, stdout } = await call(["replay", "--check", "--state-dir", stateDir]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^a\/web\/1, event \d: its data were changed\n +expected +[0-9a-f]{64}\n +found/);
  });

  it("exits with 2 if the check cannot be made", async () => {
    const empty = temporaryFolder();
    const missing = await call(["replay", "--check", "--state-dir", empty]);
    expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining("STORE_FAILED") });
    const stateDir = await logOf(new RecordedLog().add("a/web/1", life("ended")));
    const check = (...args: string[]) => call(["replay", "--check", "--state-dir", stateDir, ...args]);
    expect(await check("nobody")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("TASK_NOT_FOUND"),
    });
    expect(await check("--against", import.meta.filename)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("MACHINE_INVALID"),
    });
    expect(await check("--against", "/nonexistent.js")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /^MACHINE_INVALID: the machine cannot be read: \/nonexistent\.js: no such file or directory\nhint: Name /,
      ),
    });
    expect(await check("--nonsense")).toMatchObject({ code: 2 });
  });
});

/** A state folder with this log. */
async function logOf(
  recorded: RecordedLog,
  more: Parameters<Awaited<ReturnType<typeof openEventStore>>["append"]>[2] = [],
) {
  const stateDir = temporaryFolder();
  const store = await openEventStore(stateFolderPaths(stateDir).events);
  for (const { stream } of recorded.heads) await store.append(stream, 0, recorded.events(stream));
  const [first] = recorded.heads;
  if (first !== undefined && more.length > 0) await store.append(first.stream, first.version, more);
  await store.close();
  return stateDir;
}
