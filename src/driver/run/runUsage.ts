/** Has the usage of a run sampled. */
import type { RunDisk } from "../disk/runDisk.ts";
import type { RunGround, RunPart } from "../runPart.ts";
import type { DriverServices } from "../services.ts";

export function runUsage(
  { task, services }: RunGround<Pick<DriverServices, "usage">>,
  disk: RunDisk,
): RunPart {
  return {
    begin() {
      const { request, startedAt } = task.snapshot.context;
      if (request === null) return;
      services().usage.watch(task.id, {
        cgroup: request.resources.cgroup,
        begunAt: startedAt ?? Date.now(),
        ...(disk.isLimited && { readDisk: () => disk.look() }),
      });
    },
    // Nobody waits for the last sample: the agent removes the cgroup only after it has learned of the end.
    ended() {
      void services().usage.finish(task.id);
    },
  };
}
