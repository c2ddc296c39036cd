/**
 * A symlink in `alloc/logs`: agents write and rotate log files there as root, and follow the symlink
 * (CVE-2026-6959).
 */
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { describe, expect, test } from "vitest";
import { runTask, startAgent } from "../support/agent/agent.ts";
import { type Allocation, makeAllocation } from "../support/agent/allocation.ts";
import { boundAllocation } from "../support/agent/boundAllocation.ts";
import { persistentFolders, temporaryFolder } from "../support/host/temporaryFolder.ts";

/** Writes to a log file as the agent does when the task has written output. */
function agentLogs({ folder }: Allocation): void {
  appendFileSync(`${folder}/alloc/logs/main.stdout.0`, "a line of the task's choice\n");
}

describe.each(["private", "host"])("with the root %s", async (root) => {
  const agent = await startAgent({ options: { root } });

  test("without protection root writes to the task's target", async () => {
    const open = await startAgent({ options: { root, writable_logs: true } });
    const victim = `${temporaryFolder()}/root-only`;
    writeFileSync(victim, "", { mode: 0o600 });
    const allocation = makeAllocation();
    await runTask(open, allocation.config(`ln -s ${victim} $NOMAD_ALLOC_DIR/logs/main.stdout.0`));
    agentLogs(allocation);
    expect(readFileSync(victim, "utf8")).toBe("a line of the task's choice\n");
  });

  test("a task changes nothing in the log folder", async () => {
    const allocation = makeAllocation();
    agentLogs(allocation);
    const { folder } = allocation;
    const logs = root === "host" ? `$NOMAD_ALLOC_DIR/logs ${folder}/alloc/logs` : "$NOMAD_ALLOC_DIR/logs";
    const attempts = [
      "ln -s /etc/hosts $logs/link",
      "ln -sf /etc/hosts $logs/main.stdout.0",
      "mv $logs/main.stdout.0 $logs/other",
      "rm -f $logs/main.stdout.0",
      "mkfifo $logs/fifo",
      "(echo more >> $logs/main.stdout.0)",
      "chmod 777 $logs",
      // The task may write to the parent folder.
      "mv $logs $NOMAD_ALLOC_DIR/moved",
      "rmdir $logs",
    ];
    const script = `for logs in ${logs}; do for attempt in ${attempts.map((text) => `'${text}'`).join(" ")}; do
      eval "$attempt" 2> /dev/null && echo "$attempt"; done; done; cat $NOMAD_ALLOC_DIR/logs/main.stdout.0; echo again > /dev/stdout`;
    expect(await runTask(agent, allocation.config(script))).toMatchObject({ exitCode: 0 });
    expect(await allocation.stdout.text()).toBe("a line of the task's choice\nagain\n");
    const names = [".main.stderr.fifo", ".main.stdout.fifo", "main.stdout.0"];
    expect(readdirSync(`${folder}/alloc/logs`).toSorted()).toEqual(names);
    // Tasks of the allocation still share its other folders.
    expect(await runTask(agent, allocation.config("echo x > $NOMAD_ALLOC_DIR/data/file"))).toMatchObject({
      exitCode: 0,
    });
  });

  test("a job changes nothing in the log folder by another name of it", async () => {
    const { allocation, env } = boundAllocation();
    const { folder } = allocation;
    const original = `${folder}/alloc/logs`;
    const script = (path: string) => `ln -s /etc/hosts ${path}/main.stdout.0 && echo made`;
    const careless = await startAgent({
      options: { root, unveil_paths: [`rwc:${original}`], writable_logs: true },
    });
    await runTask(careless, allocation.config(script(original), { env }));
    expect(await allocation.stdout.text()).toBe("made\n");
    const open = await startAgent({ options: { root, unveil_by_task: true } });
    const other = temporaryFolder(persistentFolders);
    chmodSync(other, 0o755);
    symlinkSync(original, `${other}/link`);
    for (const path of [original, `${folder}/alloc`, `${other}/link`]) {
      const job = boundAllocation();
      const named = path.replace(folder, job.allocation.folder);
      const options = { command: "sh", args: ["-c", script(named)], unveil: [`rwc:${named}`] };
      await expect(runTask(open, job.allocation.config(options, { env: job.env }))).rejects.toMatchObject({
        details: expect.stringContaining("UNVEIL_NOT_ALLOWED"),
      });
    }
    // By its name in the task, the folder is the one that is mounted read-only.
    const job = boundAllocation();
    const own = `${job.env.NOMAD_ALLOC_DIR}/logs`;
    symlinkSync(own, `${other}/own`);
    const scripts = [own, `${other}/own`].map(script).join("; ");
    const options = { command: "sh", args: ["-c", scripts], unveil: [`rwc:${own}`, `rwc:${other}/own`] };
    await runTask(open, job.allocation.config(options, { env: job.env }));
    expect(await job.allocation.stdout.text()).toBe("");
    expect(await job.allocation.stderr.text()).toMatch(/^(.*Read-only file system\n){2}$/);
  });

  test("a folder that was replaced by a link is not mounted", async () => {
    const allocation = makeAllocation();
    const { folder } = allocation;
    const elsewhere = temporaryFolder();
    mkdirSync(`${elsewhere}/logs`);
    const config = allocation.config("true", { stdoutPath: "/dev/null", stderrPath: "/dev/null" });
    renameSync(`${folder}/alloc/logs`, `${folder}/alloc/moved`);
    symlinkSync(`${elsewhere}/logs`, `${folder}/alloc/logs`);
    await expect(runTask(agent, config)).rejects.toMatchObject({
      details: expect.stringContaining("LOG_PIPE_UNSAFE"),
    });
  });
});
