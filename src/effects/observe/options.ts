/** The option that has runs observed. Pure. */
import { createHash } from "node:crypto";
import { type PartOptions, type PluginValues, type TaskValues, text } from "../options/fields.ts";

const share = () =>
  text().refine(
    (value) => shareOf(value) !== undefined,
    'must be "on", "off" or a share of the runs, such as "10%"',
  );

const candidateFile = () =>
  text().refine(
    (path) => path === "" || path.startsWith("/"),
    "must be an absolute path, one that begins with /",
  );

export const observeOptions = {
  task: () => ({
    observe: share().optional().meta({
      description:
        "whether, or for which share of its runs, [what the task uses](learn.md#in-production) is recorded, if the client observes tasks †",
      example: "10%",
    }),
  }),
  plugin: () => ({
    observe: share().default("off").meta({
      description:
        'whether, or for which share of runs, [what tasks use](learn.md#in-production) is recorded; `"off"`: no job can ask for it †',
      example: "10%",
    }),
    candidate: candidateFile().default("").meta({
      description:
        "a job file with narrower options, by which observed tasks of its job [are judged](learn.md#what-a-stricter-policy-would-break) while they run; refuses nothing, and needs `observe`",
      example: "/etc/nomad.d/stricter.nomad.hcl",
    }),
  }),
} satisfies PartOptions;

/**
 * The task's option, or the plugin's if the task has none. A plugin that observes nothing observes no task: what that
 * costs, all programs of the host pay.
 */
export function settleObserve(
  { observe }: Pick<TaskValues<typeof observeOptions>, "observe">,
  plugin: Pick<PluginValues<typeof observeOptions>, "observe">,
): { observe: string | undefined } {
  if (shareOf(plugin.observe) === 0) return { observe: undefined };
  return { observe: observe ?? plugin.observe };
}

/** The share of runs, from 0 to 1; undefined for another text. */
function shareOf(value: string): number | undefined {
  if (value === "on" || value === "off") return value === "on" ? 1 : 0;
  const percent = /^\d{1,3}(?:\.\d{1,3})?%$/.test(value) ? Number(value.slice(0, -1)) : Number.NaN;
  return percent > 0 && percent <= 100 ? percent / 100 : undefined;
}

/**
 * Whether a run belongs to the share. The same for each plugin process, so that a run stays observed.
 * @param taskId differs between the runs of a task
 */
export function isObserved(observe: string | undefined, taskId: string): boolean {
  const wanted = shareOf(observe ?? "off") ?? 0;
  if (wanted === 0 || wanted === 1) return wanted === 1;
  return createHash("sha256").update(taskId).digest().readUInt32BE() < wanted * 2 ** 32;
}
