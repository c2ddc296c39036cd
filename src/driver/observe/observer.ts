/** The plugin's sets of what observed runs use. */
import type { Logger } from "../../base/hclog.ts";
import type { Observatory, ObservedRun } from "../../effects/observe/observatory.ts";
import { KernelTool } from "../kernelTool.ts";

export type Observer = KernelTool<Observatory, ObservedRun>;

export function makeObserver(log: Logger): Observer {
  const open = async (mount: string | undefined) => {
    const { Observatory } = await import("../../effects/observe/observatory.ts");
    return await Observatory.open(mount);
  };
  return new KernelTool({
    open,
    log: {
      notOpen: (level, fields) => log[level]("the set of what tasks use is not open", fields),
      notWatching: (fields) => log.warn("the set of what tasks use does not watch a task", fields),
    },
  });
}
