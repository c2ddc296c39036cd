/** The plugin's black box. */
import type { Logger } from "../../base/hclog.ts";
import type { BlackBox, WatchedRun } from "../../effects/blackBox/blackBox.ts";
import { KernelTool } from "../kernelTool.ts";

export type Recorder = KernelTool<BlackBox, WatchedRun>;

export function makeRecorder(log: Logger): Recorder {
  const open = async (mount: string | undefined) => {
    const { BlackBox } = await import("../../effects/blackBox/blackBox.ts");
    return await BlackBox.open(mount);
  };
  return new KernelTool({
    open,
    log: {
      notOpen: (level, fields) => log[level]("the black box is not open", fields),
      notWatching: (fields) => log.warn("the black box does not watch a task", fields),
    },
  });
}
