/** `debug`: programs of the host in the namespaces of a running task. */
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { expect, it } from "vitest";
import { cgroupTree, findCgroup2Mount } from "../../../src/effects/cgroup/cgroup.ts";
import { startAgent, startedTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { hostFolder } from "../../support/host/temporaryFolder.ts";
import { call, start } from "../../support/screen/commandLine.ts";

const agent = await startAgent({ options: { unveil_by_task: true } });

async function debugged(command = "exec sleep 1000") {
  const { allocation, config, pid } = await startedTask(agent, command);
  const options = ["debug", "--state-dir", agent.stateDir];
  return {
    ...{ allocation, config, pid },
    local: `${allocation.taskFolder}/local`,
    debug: (script: string, ...more: string[]) => call([...options, ...more, config.id, "sh", "-c", script]),
    start: (script: string, ...more: string[]) => start([...options, ...more, config.id, "sh", "-c", script]),
  };
}

/** The command lines of the host's processes with these words. */
function running(words: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => commandLine(pid) === words);
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").join(" ").trim();
  } catch {
    return "";
  }
}

it("shows a task's processes, network and files to the host's programs, and passes their exit code on", async () => {
  const { config, debug, local, pid } = await debugged();
  writeFileSync(`${local}/note`, "note");
  const namespaces = ["pid", "net", "ipc"];
  const ended = await debug(
    `id -u; tr '\\0' ' ' < /proc/2/cmdline; echo; cat /task${local}/note; echo; test -e /etc/shadow && echo host; ` +
      `${namespaces.map((kind) => `readlink /proc/self/ns/${kind}`).join("; ")}; exit 7`,
  );
  const own = namespaces.map((kind) => `${readlinkSync(`/proc/${pid}/ns/${kind}`)}\n`).join("");
  expect(ended).toEqual({ code: 7, stderr: "", stdout: `0\nsleep 1000 \nnote\nhost\n${own}` });
  const events = await call(["events", config.id, "--state-dir", agent.stateDir]);
  expect(events.stdout).toMatch(
    /operated +running +root runs \S+\/sh of the host in the task's namespaces, outside its sandbox/,
  );
  expect(events.stdout).not.toContain("exit 7");
});

it("takes programs and files from a folder of tools", async () => {
  const { config } = await debugged();
  const tools = hostFolder();
  mkdirSync(`${tools}/bin`);
  copyFileSync("/bin/busybox", `${tools}/bin/busybox`);
  symlinkSync("busybox", `${tools}/bin/ls`);
  const options = ["debug", "--state-dir", agent.stateDir, "--tools", tools, config.id];
  expect(await call([...options, "ls", "/"])).toEqual({
    code: 0,
    stderr: "",
    stdout: "bin\ndev\nproc\nsys\ntask\n",
  });
  expect(await call([...options, "sh"])).toMatchObject({
    code: 125,
    stderr: expect.stringContaining("COMMAND_NOT_FOUND"),
  });
});

it("runs a program as the task's user, without capabilities, and without descriptors of the driver's", async () => {
  const { debug } = await debugged();
  const ended = await debug(
    "cat /etc/shadow; grep -E '^(Uid|CapPrm|CapEff|NoNewPrivs)' /proc/self/status; exec ls /proc/self/fd",
    "--as-user",
  );
  expect(ended.stderr).toContain("Permission denied");
  expect(ended.stdout).toMatch(/^Uid:\t(?!0\b)\d+/m);
  expect(ended.stdout).toContain("CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n");
  expect(ended.stdout).toContain("NoNewPrivs:\t1\n");
  // The fourth is the folder that ls reads.
  expect(ended.stdout.split("\n").slice(-5)).toEqual(["0", "1", "2", "3", ""]);
});

it("follows no link of the task's, and executes nothing of it", async () => {
  const { debug, local } = await debugged();
  const victim = hostFolder();
  writeFileSync(`${victim}/file`, "kept");
  symlinkSync(`${victim}/file`, `${local}/leads`);
  copyFileSync("/bin/true", `${local}/program`);
  const task = `/task${local}`;
  const ended = await debug(
    `chmod 755 ${task}/program; ${task}/program; echo $?; cat ${task}/leads; (echo overwritten > ${task}/leads) || true`,
  );
  expect(ended.stdout).toBe("126\n");
  expect(ended.stderr).toContain("Too many levels of symbolic links");
  expect(readFileSync(`${victim}/file`, "utf8")).toBe("kept");
});

it("lets a task of the same user not look into a program that debugs it", async () => {
  const allocation = makeAllocation();
  const open = allocation.gate();
  const script = [
    "read -r _ < $NOMAD_TASK_DIR/gate",
    "for each in /proc/[0-9]*; do case $(tr '\\0' ' ' < $each/cmdline) in 'sleep 555 ')",
    'out="$out found"; cat $each/environ && out="$out looked"; ls $each/root/ && out="$out listed";; esac; done',
    'echo "over:$out."; exec sleep 1000',
  ].join("\n");
  const { config } = await startedTask(
    agent,
    { command: "sh", args: ["-c", script], unveil: ["r:/proc"] },
    allocation,
  );
  const options = ["debug", "--state-dir", agent.stateDir, "--as-user", config.id];
  start([...options, "sleep", "555"]);
  await expect.poll(() => running("sleep 555")).toHaveLength(1);
  open();
  await allocation.stdout.contains("over: found.\n");
});

it("ends with its caller, however that ends, and with all that it has started", async () => {
  const { start } = await debugged();
  const { child, seen } = start("setsid sleep 556 & sleep 557 & echo up; wait");
  await seen("up");
  await expect.poll(() => [...running("sleep 556"), ...running("sleep 557")]).toHaveLength(2);
  child.kill("SIGKILL");
  await expect.poll(() => [...running("sleep 556"), ...running("sleep 557")]).toEqual([]);
  await expect.poll(() => running("exec2-debug: ends with its caller")).toEqual([]);
  const name = `exec2-debug-${child.pid}-`;
  const cgroups = cgroupTree(findCgroup2Mount() ?? "").map(String);
  expect(cgroups.filter((path) => path.includes(name))).toEqual([]);
});

it("leaves no process when its program ends", async () => {
  const { debug } = await debugged();
  expect(await debug("setsid sleep 558 > /dev/null 2>&1 &")).toMatchObject({ code: 0, stderr: "" });
  expect(running("sleep 558")).toEqual([]);
});
