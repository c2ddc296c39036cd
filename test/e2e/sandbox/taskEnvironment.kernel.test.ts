import { mkdirSync, readFileSync, readlinkSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { type Agent, pidOf, startAgent, startTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";

let agent: Agent;
beforeAll(async () => {
  agent = await startAgent({ env: { AGENT_ONLY: "not for tasks" }, options: { unveil_paths: ["rx:/usr"] } });
});

describe("a task's environment", () => {
  test("is the agent's, byte for byte, with the task's own USER, HOME, TMPDIR and GOMAXPROCS", async () => {
    const allocation = makeAllocation();
    const env = {
      ...allocation.env,
      EMPTY: "",
      SPACE: " ",
      EQUALS: "a=b=",
      LINES: "one\ntwo\n",
      UNICODE: "täsk ✓ 𝄞",
      __proto__x: "y",
      constructor: "z",
      "lower.case-name": "kept",
    };
    const config = allocation.config({ command: "sleep", args: ["1000"] }, { env });
    const handle = await startTask(agent, config);
    const expected = {
      ...env,
      USER: allocation.user.name,
      HOME: "/nonexistent",
      TMPDIR: `${allocation.taskFolder}/tmp`,
      GOMAXPROCS: "1",
    };
    expect(await environmentOf(config)).toEqual(expected);
    // The agent uses this environment for `alloc exec` and templates.
    expect(Object.fromEntries(handle.config?.env ?? [])).toEqual(expected);
  });

  test("has nothing of the agent's session and dynamic linker", async () => {
    const names = "LD_PRELOAD LD_LIBRARY_PATH LD_X LS_COLORS XAUTHORITY DISPLAY COLORTERM MAIL".split(" ");
    const env = Object.fromEntries(names.map((name) => [name, "/agent"]));
    const config = makeAllocation().config(
      { command: "sleep", args: ["1000"] },
      { env: { ...env, LDAP: "kept" } },
    );
    await startTask(agent, config);
    const found = Object.keys(await environmentOf(config));
    expect(found.filter((name) => names.includes(name))).toEqual([]);
    expect(found).toContain("LDAP");
  });

  test("names a user of the host with its home", async () => {
    const [, , uid, gid, , home] = (
      /^daemon:.*$/m.exec(readFileSync("/etc/passwd", "utf8"))?.[0] ?? ""
    ).split(":");
    const user = { name: "daemon", uid: Number(uid), gid: Number(gid) };
    const config = makeAllocation({ user }).config({ command: "sleep", args: ["1000"] });
    await startTask(agent, config);
    expect(await environmentOf(config)).toMatchObject({ USER: "daemon", HOME: home });
  });

  test("has a PATH if the agent sends none, and the command is looked up there", async () => {
    const allocation = makeAllocation();
    const config = allocation.config({ command: "sleep", args: ["1000"] });
    config.env.delete("PATH");
    await startTask(agent, config);
    expect((await environmentOf(config)).PATH).toBe("/usr/local/bin:/usr/bin:/bin");
  });
});

describe("a task's working directory", () => {
  test.each([
    [undefined, ""],
    ["local", "/local"],
    ["local/deep", "/local/deep"],
  ])("with work_dir %o is its own folder%s", async (workDir, below) => {
    const allocation = makeAllocation();
    mkdirSync(`${allocation.taskFolder}/local/deep`);
    const config = allocation.config({ command: "sleep", args: ["1000"], work_dir: workDir });
    await startTask(agent, config);
    expect(readlinkSync(`/proc/${await pidOf(agent, config)}/cwd`)).toBe(`${allocation.taskFolder}${below}`);
  });

  test("may be any folder, and a relative command is found from there", async () => {
    const allocation = makeAllocation();
    const config = allocation.config({ command: "bin/sleep", args: ["1000"], work_dir: "/usr" });
    await startTask(agent, config);
    const pid = await pidOf(agent, config);
    expect(readlinkSync(`/proc/${pid}/cwd`)).toBe("/usr");
    expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).toBe("bin/sleep\x001000\0");
  });
});

async function environmentOf(config: { id: string }): Promise<Record<string, string>> {
  const entries = readFileSync(`/proc/${await pidOf(agent, config)}/environ`, "utf8")
    .split("\0")
    .slice(0, -1);
  return Object.fromEntries(
    entries.map((entry) => {
      const sign = entry.indexOf("=");
      return [entry.slice(0, sign), entry.slice(sign + 1)];
    }),
  );
}
