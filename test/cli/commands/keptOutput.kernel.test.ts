// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is what stands for a value
/** With keep_output, the end of a failed task's output outlives its folder, without its secrets. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call, shellJob } from "../../support/screen/commandLine.ts";

const secret = "correct-horse-battery";
const encoded = Buffer.from(secret).toString("base64");

/** Runs a task with a secret, whose folder is removed at the end. Returns calls of verbs on its history. */
async function ran(script: string, ...options: string[]) {
  const stateDir = temporaryFolder();
  const job = shellJob(script, `env {\n PASSWORD = "${secret}"\n}`);
  await call(["run", ...options.flatMap((option) => ["-o", option]), "--state-dir", stateDir, job]);
  const verb = async (...args: string[]) => await call([...args, "--state-dir", stateDir]);
  return { stateDir, verb };
}

const failing = `echo out; printf '%s' "$PASSWORD" | base64; echo "with $PASSWORD" >&2; echo last >&2; exit 3`;

describe.each(["driver", "agent"])("the end of a failed task's output that the %s collected", (collector) => {
  it("is shown by logs and why once its folder is gone, and has no secret", async () => {
    const { verb, stateDir } = await ran(failing, "keep_output=failed", `log_collection=${collector}`);
    const { code, stdout, stderr } = await verb("logs", "task");
    expect({ code, stdout: stdout.split("\n") }).toEqual({
      code: 0,
      stdout: ["out", expect.stringContaining("${PASSWORD}"), ""],
    });
    expect(stderr).toBe(
      "[exec2: the log files are gone; the history has the end of the output]\nwith ${PASSWORD}\nlast\n",
    );
    expect((await verb("logs", "task", "--stderr", "-n", "1")).stderr).toMatch(/\]\nlast\n$/);
    expect((await verb("logs", "task", "--grep", "^o")).stdout).toBe("out\n");
    expect((await verb("why", "task")).stdout).toMatch(
      /\n\nIts last lines on stderr:\n {2}with \$\{PASSWORD\}\n {2}last\n$/,
    );
    expect(JSON.parse((await verb("why", "task", "--json")).stdout)).toMatchObject({
      lastLines: { stream: "stderr", lines: ["with ${PASSWORD}", "last"] },
    });
    // Nothing of the state folder has the secret. The search finds what is there.
    const found = (text: string) => spawnSync("grep", ["-rqaF", text, stateDir]).status === 0;
    expect([found("with ${PASSWORD}"), found(secret), found(encoded)]).toEqual([true, false, false]);
    const bundle = join(temporaryFolder(), "bundle");
    writeFileSync(bundle, (await verb("export", "--all")).stdout);
    for (const args of [
      ["export", "--all"],
      ["events", "--json"],
      ["replay", "task", "--json"],
    ])
      expect((await verb(...args)).stdout).not.toContain("with ${PASSWORD}");
    expect((await call(["why", bundle])).stdout).not.toContain("Its last lines");
    writeFileSync(bundle, (await verb("export", "--all", "--show-args")).stdout);
    expect((await call(["why", bundle])).stdout).toContain("Its last lines on stderr:\n  with ${PASSWORD}");
    expect((await call(["replay", bundle, "--check"])).code).toBe(0);
    expect((await verb("replay", "--check")).code).toBe(0);
  });
});

describe("nothing of the output is kept", () => {
  it.each([
    ["by default", failing, []],
    ["of a task that succeeds", "echo out", ["keep_output=failed"]],
  ])("%s", async (_, script, options) => {
    const { verb, stateDir } = await ran(script, ...options);
    expect(await verb("logs", "task")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^LOG_MISSING/),
    });
    expect(spawnSync("grep", ["-rqaF", "with ${PASSWORD}", stateDir]).status).toBe(1);
  });
});
