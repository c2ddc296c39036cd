/** A `/tmp` in memory: `tmp_size`, as a Nomad client passes it. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { type Agent, runTask } from "../../support/agent/agent.ts";
import { type Differing, makeAllocation } from "../../support/agent/allocation.ts";
import { execScript } from "../../support/agent/execCall.ts";
import { expectRefusal, startWarmAgent } from "../../support/agent/refusal.ts";
import { volumeMount } from "../../support/agent/requests.ts";
import { hostFolder } from "../../support/host/temporaryFolder.ts";

let agent: Agent;
beforeAll(async () => {
  agent = await startWarmAgent({ options: { unveil_by_task: true, allow_host_root: true } });
});

const sized = (script: string, options: object = {}) => ({
  ...{ command: "sh", args: ["-c", script], tmp_size: 2 },
  ...options,
});

async function run(script: string, options: object = {}, differing: Differing = {}) {
  const allocation = makeAllocation();
  const { exitCode } = await runTask(agent, allocation.config(sized(script, options), differing));
  const [out, err] = [await allocation.stdout.text(), await allocation.stderr.text()];
  return { exitCode, out, err, allocation };
}

describe.each(["private", "host"])("a task with tmp_size and the root %s", (root) => {
  test("has a /tmp of that size in memory, to which TMPDIR leads, and which runs programs", async () => {
    const script = [
      "stat -f -c %T /tmp",
      "df -k /tmp | tail -1 | tr -s ' ' | cut -d' ' -f2",
      "echo $TMPDIR",
      "cp /bin/true /tmp/program && /tmp/program && echo runs",
      "head -c 3000000 /dev/zero > /tmp/large || echo full",
    ].join("\n");
    const { out, err, allocation } = await run(script, { root, unveil: ["r:/proc"] });
    expect(out).toBe("tmpfs\n2048\n/tmp\nruns\nfull\n");
    expect(err).toMatch(/No space left on device/);
    expect(existsSync(`${allocation.taskFolder}/tmp/program`)).toBe(false);
  });

  test("may have its size with a unit", async () => {
    const script =
      "df -k /tmp | tail -1 | tr -s ' ' | cut -d' ' -f2; head -c 1500000 /dev/zero > /tmp/large || echo full";
    expect(await run(script, { root, tmp_size: "1048576B" })).toMatchObject({ out: "1024\nfull\n" });
    expect(await run(script, { root, tmp_size: "3MiB" })).toMatchObject({ out: "3072\n" });
  });

  test("keeps its folder tmp on disk", async () => {
    const { out, allocation } = await run("cd tmp; echo x > file; ls /tmp; cat file", { root });
    expect(out).toBe("x\n");
    expect(existsSync(`${allocation.taskFolder}/tmp/file`)).toBe(true);
  });

  test("may have volumes in it, files and folders, one in another", async () => {
    const [outer, inner] = [hostFolder(), hostFolder()];
    mkdirSync(`${outer}/in`);
    writeFileSync(`${outer}/file`, "outer\n");
    writeFileSync(`${inner}/file`, "inner\n");
    const mounts = [
      volumeMount(outer, "/tmp/deep/outer"),
      volumeMount(inner, "/tmp/deep/outer/in"),
      volumeMount(`${inner}/file`, "/tmp/other/one"),
    ];
    const script =
      "cat /tmp/deep/outer/file /tmp/deep/outer/in/file /tmp/other/one; echo x > /tmp/own; ls /tmp";
    const { out, err } = await run(script, { root }, { mounts });
    expect({ out, err }).toEqual({ out: "outer\ninner\ninner\ndeep\nother\nown\n", err: "" });
  });
});

test("a command in the task sees the same /tmp, with the task's rights", async () => {
  const allocation = makeAllocation();
  const release = allocation.gate();
  const config = allocation.config(sized("echo mine > /tmp/note; read -r _ < $NOMAD_TASK_DIR/gate"));
  const running = runTask(agent, config);
  await expect
    .poll(async () =>
      (await execScript(agent, config.id, "cat /tmp/note").catch(() => undefined))?.stdout.toString(),
    )
    .toBe("mine\n");
  const { stdout } = await execScript(agent, config.id, "echo $TMPDIR; echo x > $TMPDIR/more; ls /tmp");
  expect(stdout.toString()).toBe("/tmp\nmore\nnote\n");
  release();
  await running;
});

describe("the start is refused", () => {
  test("where the task has the host's /tmp", async () => {
    const config = makeAllocation().config(sized("true", { unveil: ["r:/tmp"] }));
    await expectRefusal(agent, config, {
      code: "CONFIG_INVALID",
      recoverable: false,
      text: /tmp_size gives the task a \/tmp of its own, but this task has the host's: .*unveils r:\/tmp/,
    });
  });

  test("with a volume at /tmp", async () => {
    const mounts = [volumeMount(hostFolder(), "/tmp")];
    const config = makeAllocation().config(sized("true"), { mounts });
    await expectRefusal(agent, config, {
      code: "CONFIG_INVALID",
      recoverable: false,
      text: /a volume_mount has the destination \/tmp/,
    });
  });
});
