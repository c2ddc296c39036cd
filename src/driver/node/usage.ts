/** Samples of what tasks use. */
import { readCgroup } from "../../effects/stats/readings.ts";
import { appendUsage } from "../../store/usage/usageFile.ts";
import { parseDuration } from "../../units/durations.ts";
import { UsageSampler } from "../usageSampler.ts";
import type { NodePart } from "./nodePart.ts";

export const usage = {
  open: ({ log, folder }) =>
    new UsageSampler({
      read: readCgroup,
      keep: (taskId, sample) => appendUsage(folder.events, taskId, sample),
      now: Date.now,
      log,
    }),
  configure: (kept, { options }) => kept.configure(parseDuration(options.usageInterval) ?? 0),
} satisfies NodePart<UsageSampler>;
