/** `why` over what `run` leaves in the log. */
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call, shellJob } from "../../support/screen/commandLine.ts";

describe("why", () => {
  it("tells the end of a run, and of a bundle of it, and no secret", async () => {
    const stateDir = temporaryFolder();
    const secret = "correct-horse-battery";
    const job = shellJob(": staple-marker; kill -SEGV $$", `env {\n PASSWORD = "${secret}"\n}`);
    await call(["run", "--state-dir", stateDir, job]);
    const why = (...args: string[]) => call(["why", "--state-dir", stateDir, ...args]);

    const text = await why("task");
    expect(text).toMatchObject({ code: 0, stderr: "" });
    expect(text.stdout).toMatch(
      /^task of job test, \S+: destroyed\n\nThe agent requested it at .* \[1,3,4\]\. It was killed by SIGSEGV (?:immediately|after ).* \[5\]\.\n$/,
    );
    const json = await why("task", "--json");
    expect(JSON.parse(json.stdout)).toMatchObject({ task: "task", job: "test", state: "destroyed" });
    for (const { stdout } of [text, json]) {
      expect(stdout).not.toContain(secret);
      expect(stdout).not.toContain("staple-marker");
    }

    const wrong = await why("taks");
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain("TASK_NOT_FOUND");
    expect(wrong.stderr).toContain("Did you mean task?");
  });

  it("tells what was recorded elsewhere", async () => {
    const { stdout } = await call([
      "why",
      "is-lost",
      "--state-dir",
      "test/fixtures/histories/schema1Reboot.jsonl",
    ]);
    expect(stdout).toContain("It is lost, since the host was rebooted");
  });
});
