/** `doctor --plan`: shows how the driver would start each task of a job. */
import { closeSync } from "node:fs";
import { DriverError } from "../../../base/errors.ts";
import { capabilitiesOf as driverCapabilities } from "../../../driver/answers.ts";
import type { PluginOptions } from "../../../driver/options/pluginOptions.ts";
import type { CgroupWrite } from "../../../effects/cgroup/cgroupPlan.ts";
import { readNodeTopology } from "../../../effects/cgroup/nodeCores.ts";
import { findDenialProblem } from "../../../effects/denials/denialWatch.ts";
import { probeHost } from "../../../effects/host/hostFacts.ts";
import { type AddedRules, addRules } from "../../../effects/landlock/rules.ts";
import { createRuleset } from "../../../effects/landlock/ruleset.ts";
import { placeVolumes, planEarly, planLate } from "../../../effects/launch/launchPlan.ts";
import { planSandbox } from "../../../effects/launch/sandbox.ts";
import { type PortLimits, portOptions } from "../../../effects/network/ports.ts";
import { hclName } from "../../../effects/options/hclOptions.ts";
import { type TaskOptions, taskOptionsSpec } from "../../../effects/parts.ts";
import { describePlan } from "../../../effects/plan/describePlan.ts";
import { joinPlan } from "../../../effects/plan/plan.ts";
import { findRootProblem } from "../../../effects/root/rootTemplates.ts";
import { capabilitiesOf } from "../../../grpc/convert/answers.ts";
import { requestOf } from "../../../grpc/convert/requests.ts";
import type { TaskConfig } from "../../../grpc/generated/nomad/driver.ts";
import { settleTask, specOf } from "../../../grpc/options.ts";
import { maskPlanStep } from "../../../history/replay/mask.ts";
import { makeAllocation } from "../../../localAgent/allocation/allocation.ts";
import { checkJob, pluginOptionsOf } from "../../../localAgent/files/checkFile.ts";
import { attributeSpecs, type LocalPluginConfig } from "../../../localAgent/files/pluginConfig.ts";
import { refuseUnsupported } from "../../../localAgent/plugin/clientRules.ts";
import type { DriverFacts } from "../../../localAgent/plugin/pluginSession.ts";
import { type Placement, placeTask } from "../../../localAgent/task/prepareTask.ts";
import { featuresOf } from "../../../localAgent/task/taskMessage.ts";
import { makeWorkFolder, workParent } from "../../../localAgent/work/workFolder.ts";
import { formatMebibytes } from "../../../units/sizes.ts";
import { visible, visibleTexts } from "../../../units/visible.ts";
import { requireRoot } from "../../requireRoot.ts";
import { print } from "../../terminal/output.ts";
import { type Style, styleFor } from "../../terminal/style.ts";
import { formatTable } from "../../terminal/table.ts";
import { type JobOptions, readJobFile, variablesOf } from "../run/readJobFile.ts";

export interface PlanOptions extends LocalPluginConfig, JobOptions {
  /** Whether to show arguments of commands, into which secrets may have been interpolated. */
  readonly showArgs: boolean;
}

/**
 * @returns the exit code
 * @throws DriverError if a task could not be started: the same error as at its start
 */
export async function showPlans(path: string, options: PlanOptions): Promise<number> {
  const file = await readJobFile(path, options);
  const plugin = pluginOptionsOf(options);
  const job = await checkJob(file, variablesOf(options), plugin);
  requireRoot("a plan needs the task's folders, which only root can make and remove again");
  const placement = { file, job, topology: readNodeTopology(), dynamicUserIds: plugin.dynamicUserIds };
  const work = await makeWorkFolder({ job: path, keep: false }, workParent);
  try {
    for (const text of await plansOf(placement, plugin, { work: work.path, showArgs: options.showArgs }))
      print(`${text}\n`);
  } finally {
    await work.close();
  }
  return 0;
}

async function plansOf(
  placement: Placement,
  plugin: PluginOptions,
  { work, showArgs }: { readonly work: string; readonly showArgs: boolean },
): Promise<string[]> {
  const style = styleFor(process.stdout);
  const texts: string[] = [];
  const driver: DriverFacts = {
    taskSchema: attributeSpecs(specOf(taskOptionsSpec())),
    capabilities: capabilitiesOf(driverCapabilities(plugin)),
  };
  for (const group of placement.job.groups) {
    refuseUnsupported(driver.capabilities, featuresOf(group));
    const allocation = await makeAllocation(work, group);
    try {
      for (const task of group.tasks) {
        const message = await placeTask(placement, driver, allocation, task);
        const title = style.bold(visible(`group ${group.name}, task ${task.name}`));
        const plan = await planOf(message, plugin).catch(untilUnpacked);
        if (typeof plan === "string") {
          texts.push(`${title}\n\n${visible(plan)}`);
          continue;
        }
        const steps = showArgs ? plan.steps : plan.steps.map(maskPlanStep);
        texts.push(`${title}\n\n${formatPlan({ ...plan, steps }, style)}`);
      }
    } finally {
      allocation.bridge?.close();
    }
  }
  return texts;
}

/**
 * What the plan of a task lacks whose root, or the source of whose mount, is made only before its start: by an artifact,
 * or by another task.
 * @throws any other error
 */
function untilUnpacked(thrown: unknown): string {
  if (!(thrown instanceof DriverError) || thrown.failed?.errno !== "ENOENT") throw thrown;
  const isOwnSource = thrown.code === "MOUNT_SOURCE_MISSING" && thrown.option === "mount";
  if (thrown.code !== "ROOT_DIR_INVALID" && !isOwnSource) throw thrown;
  return `No plan: ${thrown.summary} yet. Artifacts and other tasks fill it before the task's start, and its plan depends on what is in it`;
}

interface TaskPlan {
  readonly steps: readonly string[];
  readonly applied: AddedRules["applied"];
  readonly skipped: AddedRules["skipped"];
  readonly limits: readonly Pick<CgroupWrite, "file" | "value" | "why">[];
  readonly ports: PortLimits;
}

async function planOf(message: TaskConfig, options: PluginOptions): Promise<TaskPlan> {
  const request = { ...requestOf(message), ...settleTask(message, options) };
  const facts = probeHost();
  const roots = { problem: await findRootProblem() };
  // The driver makes a folder for each run. The folder's name is not known yet.
  const folder = { run: undefined, newRunFolder: () => `${options.stateDir}/…` };
  const sandbox = await planSandbox(request, { options, facts, roots, folder });
  const { rules } = sandbox;
  using jobs = sandbox.jobPaths.open(rules.entries);
  const planned = planEarly(sandbox, placeVolumes(sandbox), {
    cgroup: request.resources.cgroup,
    // No path is cached here, so init adds no rules of its own, and the plan lists all rules.
    known: new Map(),
    landlockAbi: facts.landlockAbi,
  });
  const { landlockAbi } = facts;
  const ruleset = createRuleset(landlockAbi);
  const added = addRules(ruleset, rules.entries, [], landlockAbi, undefined, jobs.files);
  const { applied, skipped, insideNamespace } = added;
  closeSync(ruleset);
  const recordDenials = (await findDenialProblem(options.denials, facts.landlockAbi)) === undefined;
  const launch = joinPlan(planned.early, planLate(sandbox, insideNamespace, planned, recordDenials));
  return {
    steps: describePlan(launch),
    applied,
    skipped,
    limits: [...sandbox.cgroupWrites, ...diskLimit(request.options)],
    ports: request.options,
  };
}

function diskLimit({ diskLimit: limit }: TaskOptions): TaskPlan["limits"] {
  const why = "in local and tmp together, and in alloc, by project quotas";
  return limit === undefined ? [] : [{ file: "disk_limit", value: formatMebibytes(limit), why }];
}

/** Does not wrap lines: a wrapped system call is hard to read. */
function formatPlan({ steps, applied, skipped, limits, ports }: TaskPlan, style: Style): string {
  const unlimited = Number.POSITIVE_INFINITY;
  const sections: readonly (readonly [string, string])[] = [
    [
      "Limits",
      formatTable(
        limits.map(visibleTexts).map(({ file, value, why }) => [file, value, style.dim(why)]),
        unlimited,
      ),
    ],
    [
      "Unveiled",
      formatTable(
        applied.map(visibleTexts).map(({ mode, path, source }) => [mode, path, style.dim(source)]),
        unlimited,
      ),
    ],
    [
      "Not there",
      formatTable(
        skipped.map(visibleTexts).map(({ path, reason }) => [path, style.dim(reason)]),
        unlimited,
      ),
    ],
    [
      "Ports",
      formatTable(
        portOptions.flatMap((option) => portRow(hclName(option), ports[option])),
        unlimited,
      ),
    ],
    ["System calls", steps.map(visible).join("\n")],
  ];
  return sections
    .filter(([, text]) => text !== "")
    .map(([name, text]) => `${style.dim(name)}\n${text}`)
    .join("\n\n");
}

function portRow(option: string, ports: readonly number[] | undefined): string[][] {
  return ports === undefined ? [] : [[option, ports.length === 0 ? "none" : ports.join(", ")]];
}
