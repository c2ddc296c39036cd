/** Whether an earlier run has left limits in a cgroup (egressControl.ts), of which most nodes never load a program. */
import { closeSync, constants, openSync } from "node:fs";
import { attachedPrograms } from "../bpf/cgroupPrograms.ts";

/** `BPF_CGROUP_INET4_CONNECT`: each limited cgroup has a program there. */
const firstAttachType = 10;

/** Takes two system calls for a start. False on a host that cannot have limits. */
export function isConfined(cgroup: string): boolean {
  using opened = new DisposableStack();
  try {
    const folder = opened.adopt(openSync(cgroup, constants.O_RDONLY | constants.O_DIRECTORY), closeSync);
    return attachedPrograms(folder, firstAttachType).length > 0;
  } catch {
    return false;
  }
}
