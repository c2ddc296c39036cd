import { randomOf } from "../../crash/random.ts";
import { installHostCalls } from "../hostCalls.ts";
import { Fifo, File, Kernel, type Process, ReleasePipe } from "../kernel.ts";
import { PluginProcess } from "../pluginProcess.ts";
import { Scheduler } from "../scheduler.ts";
import { simulated } from "../simulated.ts";
import type { Host, IdleProcess } from "./host.ts";
import { hostContract } from "./hostContract.ts";

/** Virtual milliseconds after which nothing more is expected to happen. */
const patienceMs = 60_000;

hostContract(async () => {
  const scheduler = new Scheduler(randomOf(1));
  const kernel = new Kernel(scheduler);
  const plugin = new PluginProcess(
    1,
    kernel,
    { diesAt: () => false, failureOf: () => undefined },
    () => {
      throw new Error("the contract needs no driver");
    },
    () => undefined,
  );
  installHostCalls(kernel, () => plugin);
  const folder = "/state/run/contract";
  const cgroup = "/sys/fs/cgroup/nomad.slice/contract.scope";
  kernel.folders.add(folder);
  kernel.makeCgroup(cgroup);
  const until = async (condition: () => boolean) => {
    if (!(await scheduler.until(condition, patienceMs))) throw new Error("it never holds");
  };
  const host: Host = {
    fs: callsOf("fs"),
    promises: callsOf("fs/promises"),
    libc: callsOf("effects/kernel/libc.ts"),
    Socket: simulated.functions.get("net#Socket") as never,
    folder,
    cgroup,
    makeFile: (path) => void kernel.files.set(path, new File()),
    makeCgroup: (path) => kernel.makeCgroup(path),
    start: async (path, holds) => {
      const fifo = holds === undefined ? undefined : kernel.files.get(holds);
      return kernel.startIdle(kernel.cgroups.get(path), fifo instanceof Fifo ? { holds: fifo } : {});
    },
    startUnreaped: async (path) => kernel.startIdle(kernel.cgroups.get(path), { isReaped: false }),
    kill: (process: IdleProcess) => kernel.signal(process as Process, 9, false),
    pipeTo: async (path) => {
      const pipe = new ReleasePipe();
      const reader = kernel.startIdle(kernel.cgroups.get(path), { reads: pipe });
      return { write: plugin.fds.add(pipe), reader };
    },
    until,
    settled: async (promise) => {
      let isSettled = false;
      const settle = () => {
        isSettled = true;
      };
      promise.then(settle, settle);
      await until(() => isSettled);
      return promise;
    },
  };
  return host;
});

/** The simulated calls of a module, by their names. */
function callsOf<T>(module: string): T {
  const calls = [...simulated.functions].filter(([key]) => key.startsWith(`${module}#`));
  return Object.fromEntries(calls.map(([key, call]) => [key.slice(module.length + 1), call])) as T;
}
