/**
 * Triggers of pressure in a task's cgroup. The kernel tells of a stall by the file's inotify event, so nothing is polled
 * while the task does not stall.
 */
import { closeSync, constants, type FSWatcher, openSync, watch, writeSync } from "node:fs";
import { DriverError, errnoOf } from "../../base/errors.ts";
import { POLLPRI } from "../kernel/constants.ts";
import { readKernelFile } from "../kernel/kernelFiles.ts";
import { poll } from "../kernel/libc.ts";
import { parsePressure } from "./cgroupFigures.ts";
import type { PressureTrigger } from "./pressure.ts";

/**
 * Tries whether the host has these triggers.
 * @param cgroup the task's
 * @throws DriverError `CGROUP_UNSUPPORTED`
 */
export function checkTriggers(cgroup: string, triggers: readonly PressureTrigger[]): void {
  for (const trigger of triggers) closeSync(openTrigger(cgroup, trigger));
}

export interface PressureWatch extends Disposable {
  /** Milliseconds of waiting since the cgroup's creation; undefined once the cgroup is removed. */
  stalledMs(): number | undefined;
}

/**
 * Calls back when the trigger's threshold is passed, at most once in each of its windows.
 * @throws DriverError `CGROUP_UNSUPPORTED`
 */
export function watchPressure(cgroup: string, trigger: PressureTrigger, onStall: () => void): PressureWatch {
  using undo = new DisposableStack();
  const path = pathOf(cgroup, trigger);
  const descriptor = undo.adopt(openTrigger(cgroup, trigger), closeSync);
  const watcher = undo.adopt(startWatch(path), (each) => each.close());
  const opened = undo.move();
  watcher.on("error", () => opened.dispose());
  watcher.on("change", () => {
    if (opened.disposed) return;
    // poll(2) says whether this is the trigger's event, and arms the trigger again. Writes to the file, such as the
    // trigger itself, are events of inotify, too. A removed cgroup has every event of poll.
    if (!poll(descriptor, POLLPRI)) return;
    if (readKernelFile(path) === undefined) opened.dispose();
    else onStall();
  });
  return {
    stalledMs: () => {
      const pressure = parsePressure(readKernelFile(path) ?? "");
      const us = trigger.kind === "full" ? pressure?.fullUs : pressure?.someUs;
      return us === undefined ? undefined : us / 1000;
    },
    [Symbol.dispose]: () => opened.dispose(),
  };
}

function startWatch(path: string): FSWatcher {
  try {
    return watch(path, { persistent: false });
  } catch (thrown) {
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", `the pressure in ${path} cannot be watched`);
  }
}

function pathOf(cgroup: string, { resource }: PressureTrigger): string {
  return `${cgroup}/${resource}.pressure`;
}

/** A trigger lasts as long as its descriptor is open. */
function openTrigger(cgroup: string, trigger: PressureTrigger): number {
  const path = pathOf(cgroup, trigger);
  const { kind, stallMs, windowMs } = trigger;
  let descriptor: number | undefined;
  try {
    // Without O_CREAT: only the kernel creates files in a cgroup.
    descriptor = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    writeSync(descriptor, `${kind} ${Math.round(stallMs * 1000)} ${Math.round(windowMs * 1000)}\0`);
    return descriptor;
  } catch (thrown) {
    if (descriptor !== undefined) closeSync(descriptor);
    throw unsupported(path, trigger, thrown);
  }
}

function unsupported(path: string, { windowMs }: PressureTrigger, thrown: unknown): DriverError {
  const errno = errnoOf(thrown);
  const hints: Readonly<Record<string, string>> = {
    ENOENT:
      "The kernel measures no pressure: boot it with psi=1, or use one with CONFIG_PSI (Linux 5.2 or later)",
    EOPNOTSUPP: "The kernel measures no pressure: boot it with psi=1",
    // Since Linux 6.5, a process without CAP_SYS_RESOURCE may have slow triggers only.
    EINVAL:
      windowMs % 2_000 === 0
        ? "The kernel refuses this trigger: compare it with Documentation/accounting/psi.rst"
        : "Without CAP_SYS_RESOURCE, the kernel takes windows of 2s, 4s, 6s, 8s and 10s only: use one of these, or give the Nomad client this capability",
  };
  return new DriverError("CGROUP_UNSUPPORTED", "the task's pressure cannot be watched", {
    failed: { call: "write", path, ...(errno === undefined ? {} : { errno }) },
    hint: hints[errno ?? ""] ?? "Remove pressure from the task's config",
    cause: thrown,
  });
}
