import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as promises from "node:fs/promises";
import { Socket } from "node:net";
import { onTestFinished } from "vitest";
import * as libc from "../../../src/effects/kernel/libc.ts";
import { eventually } from "../../support/host/eventually.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { TestCgroup } from "../../support/host/testCgroup.ts";
import type { Host } from "./host.ts";
import { hostContract } from "./hostContract.ts";

hostContract(async () => {
  const cgroup = new TestCgroup(
    `exec2-test-host-${process.pid}-${Math.random().toString(36).slice(2)}.scope`,
  );
  const children: ChildProcess[] = [];
  onTestFinished(async () => {
    for (const child of children) child.kill("SIGKILL");
    await cgroup.remove();
  });
  /** @returns the pid that the script prints once its process is in the cgroup */
  const run = async (script: string, stdin: "ignore" | "pipe", ...args: string[]) => {
    const child = spawn("sh", ["-c", script, "sh", ...args], { stdio: [stdin, "pipe", "inherit"] });
    children.push(child);
    const [line] = await once(child.stdout as NonNullable<typeof child.stdout>, "data");
    return { child, pid: Number(String(line)) };
  };
  const idle = "exec sleep 10000 >/dev/null";
  const host: Host = {
    fs,
    promises,
    libc,
    Socket,
    folder: temporaryFolder(),
    cgroup: cgroup.path,
    makeFile: (path) => fs.writeFileSync(path, ""),
    makeCgroup: (path) => fs.mkdirSync(path),
    // Opened for reading, too, a FIFO needs no reader.
    start: (folder, holds = "/dev/null") =>
      run(`exec 9<>"$2"; echo $$ >"$1/cgroup.procs"; echo $$; ${idle}`, "ignore", folder, holds),
    startUnreaped: (folder) =>
      run(`sh -c 'echo $$ >"$1/cgroup.procs"; echo $$; ${idle}' sh "$1" & ${idle}`, "ignore", folder),
    kill: ({ pid }) => void process.kill(pid, "SIGKILL"),
    pipeTo: async (folder) => {
      const { read, write } = libc.pipe2();
      const child = spawn("sh", ["-c", `echo $$ >"$1/cgroup.procs"; echo $$; ${idle}`, "sh", folder], {
        stdio: [read, "pipe", "inherit"],
      });
      children.push(child);
      fs.closeSync(read);
      await once(child.stdout as NonNullable<typeof child.stdout>, "data");
      return { write, reader: { pid: child.pid as number } };
    },
    until: (condition) =>
      eventually(() => {
        if (!condition()) throw new Error("not yet");
      }),
    settled: (promise) => promise,
  };
  return host;
});
