/** A report on the host: the result of each check, the problems, and both as text. Pure. */

import { parsePluginOptions } from "../../../driver/options/pluginOptions.ts";
import type { HostFacts } from "../../../effects/host/hostFacts.ts";
import type { FoundOffer, HostProblem } from "../../../effects/host/hostHealth.ts";
import { judgeHost } from "../../../effects/host/hostHealth.ts";
import { isArchitecture } from "../../../effects/kernel/systemCalls.ts";
import { abis } from "../../../effects/landlock/rights.ts";
import { visible } from "../../../units/visible.ts";
import { wrap } from "../../../units/widths.ts";
import type { Style } from "../../terminal/style.ts";
import { formatTable } from "../../terminal/table.ts";
import type { AgentFinding } from "./agentFinding.ts";

/** `limited`: tasks run, but without some of the driver's features. */
type Verdict = "fit" | "limited" | "unfit";

interface Check {
  readonly name: string;
  readonly verdict: Verdict;
  readonly found: string;
  /** What it is for, if tasks can run without it. */
  readonly serves?: string;
}

export interface StateFolderFinding {
  readonly found: string;
  /** Whether the folder could be checked at all, which takes root. */
  readonly checked: boolean;
  readonly problem: HostProblem | undefined;
  /** Damaged event logs in the folder, which the driver has renamed. */
  readonly quarantined: readonly string[];
}

export interface FurtherFindings {
  readonly deprecated?: readonly HostProblem[];
  readonly agent?: AgentFinding | undefined;
}

export interface Report {
  /** Whether tasks can run on this host. */
  readonly fit: boolean;
  readonly checks: readonly Check[];
  readonly problems: readonly HostProblem[];
  readonly facts: HostFacts;
}

/**
 * @param leftovers one sentence for each killed run that left something behind
 * @param offers what the host has of what a node may offer. What the driver wants by default is a problem if it is
 *   missing
 * @param further `deprecated`: options in use that a later version will not have; `agent`: if it was asked
 */
export function reportOn(
  facts: HostFacts,
  state: StateFolderFinding,
  leftovers: readonly string[],
  offers: readonly FoundOffer[],
  { deprecated = [], agent }: FurtherFindings = {},
): Report {
  const { quarantined } = state;
  const { health, problems } = judgeHost(facts, parsePluginOptions({}), { quarantined, offers });
  return {
    fit: health === "healthy" && state.problem === undefined,
    checks: [
      required("root", facts.root, facts.root ? "yes" : "no"),
      required("machine", isArchitecture(facts.arch), `${facts.arch}, ${facts.cores} cores`),
      required("kernel", facts.landlockAbi > 0, `Linux ${facts.kernel}`),
      ...landlockChecks(facts.landlockAbi),
      required("cgroup v2", facts.cgroupMount !== undefined, facts.cgroupMount ?? "not mounted"),
      ...controllerChecks(facts),
      required("system calls", facts.missingCalls.length === 0, missingText(facts.missingCalls)),
      ...Object.entries(facts.namespaces).map(([kind, present]) =>
        required(`${kind} namespaces`, present, present ? "yes" : "no"),
      ),
      optional("seccomp filters", facts.seccomp, facts.seccomp ? "yes" : "no", "refusing system calls"),
      ...offers.flatMap(offerChecks),
      optional(
        "pressure (PSI)",
        facts.psi,
        facts.psi ? "measured" : "not measured: boot with psi=1",
        "telling when tasks stall",
      ),
      optional(
        "I/O weights",
        facts.ioWeights,
        facts.ioWeights ? "obeyed" : "no disk obeys them: it takes BFQ, or io.cost.qos",
        "sharing disks by weight",
      ),
      optional(
        "executable memory files",
        facts.memfdExecution,
        facts.memfdExecution ? "allowed" : "vm.memfd_noexec is 2",
        "starting tasks without a file of the launcher",
      ),
      optional(
        "speed of a core",
        facts.mhzKnown,
        `${Math.round(facts.mhzPerCore)} MHz${facts.mhzKnown ? "" : ", assumed"}`,
        "telling agents how much CPU there is",
      ),
      state.checked
        ? required("state folder", state.problem === undefined, state.found)
        : optional("state folder", false, `${state.found}, not checked`, "the event log"),
      optional(
        "killed runs",
        leftovers.length === 0,
        leftovers.length === 0 ? "left nothing behind" : "left something behind",
        "a clean host",
      ),
      ...(agent === undefined
        ? []
        : [
            optional(
              "agent",
              agent.problem === undefined,
              agent.found,
              "running tasks as this driver expects",
            ),
          ]),
    ],
    problems: [
      ...problems,
      ...(state.problem ? [state.problem] : []),
      ...leftovers.map(leftoverProblem),
      ...deprecated,
      ...(agent?.problem ? [agent.problem] : []),
    ],
    facts,
  };
}

function missingText(calls: readonly string[]): string {
  return calls.length === 0 ? "all that tasks need" : `without ${calls.join(", ")}`;
}

function leftoverProblem(what: string): HostProblem {
  return {
    what,
    consequence: "leftover tasks use CPU and memory; leftover folders use disk space",
    remedy: "To remove what it left: nomad-driver-exec2 clean",
  };
}

function offerChecks({ offer: { check }, finding }: FoundOffer): Check[] {
  if (check === undefined) return [];
  const found = finding === undefined ? "not checked" : check.found(finding);
  const isFound = finding !== undefined && finding.problem === undefined;
  return [optional(check.name, isFound, found, check.serves)];
}

function landlockChecks(abi: number): Check[] {
  const summary = abi > 0 ? `ABI ${abi}` : "not in this kernel, or not enabled at boot";
  const used = Object.entries(abis).flatMap(([needed, added]) => {
    if (!("meaning" in added)) return [];
    const { linux, meaning } = added;
    const isThere = abi >= Number(needed);
    const found = isThere ? meaning : `${meaning}: boot Linux ${linux}`;
    return optional(`  since ABI ${needed}`, isThere, found, meaning);
  });
  return [required("Landlock", abi > 0, summary), ...used];
}

/** The cgroup controllers that a task's resources block needs, with what each limits. */
const controllers: readonly (readonly [controller: string, limits: string])[] = [
  ["memory", "memory limits and out-of-memory reports"],
  ["cpu", "CPU limits"],
  ["cpuset", "reserved cores"],
  ["pids", "limits on processes and threads"],
];

function controllerChecks({ cgroupControllers, cgroupMount }: HostFacts): Check[] {
  if (cgroupMount === undefined) return [];
  const given = cgroupControllers.join(", ");
  return [
    ...controllers.map(([name, limits]) =>
      optional(`  ${name}`, cgroupControllers.includes(name), limits, limits),
    ),
    optional(
      "  cgroup_delegate",
      given !== "",
      given === ""
        ? "a task's own cgroups have no controllers to limit with"
        : `a task's own cgroups: ${given}`,
      "limits in a task's own cgroups",
    ),
  ];
}

/** A check of something that every task needs. */
function required(name: string, good: boolean, found: string): Check {
  return { name, verdict: good ? "fit" : "unfit", found };
}

/** A check that may fail: tasks then run, but without what it serves. */
function optional(name: string, good: boolean, found: string, serves: string): Check {
  return { name, verdict: good ? "fit" : "limited", found, serves };
}

export function formatReport({ fit, checks, problems, facts }: Report, style: Style, width: number): string {
  const marks: Record<Verdict, string> = {
    fit: style.green("ok"),
    limited: style.yellow("--"),
    unfit: style.red("!!"),
  };
  const lead = facts.root
    ? []
    : wrap("doctor needs root: without it, some checks are left out, and others may be wrong.", width);
  const table = checks.map(({ name, verdict, found }) => [marks[verdict], name, visible(found)]);
  const paragraphs = problems.map(({ what, consequence, remedy }) =>
    [
      ...paragraph(style.bold(visible(what)), "", width),
      ...paragraph(visible(consequence), "  so:   ", width),
      ...paragraph(visible(remedy), `  ${style.cyan("hint:")} `, width),
    ].join("\n"),
  );
  const missing = checks.flatMap(({ name, verdict, serves }) =>
    verdict === "limited" ? [`${name.trim()} (${serves})`] : [],
  );
  const verdict = fit
    ? problems.length > 0
      ? style.yellow("Tasks can run on this host, with the limitations above.")
      : missing.length > 0
        ? style.yellow(wrap(`Tasks can run on this host. It lacks ${missing.join("; ")}.`, width).join("\n"))
        : style.green("This host supports everything that the driver can use.")
    : style.red(
        facts.root ? "Tasks cannot run on this host." : "Run doctor as root to know whether tasks can run.",
      );
  return [
    ...(lead.length > 0 ? [style.red(lead.join("\n"))] : []),
    formatTable(table, width),
    ...paragraphs,
    verdict,
  ].join("\n\n");
}

/** Wraps text, with a lead before its first line and an indent before the others. */
function paragraph(text: string, lead: string, width: number): string[] {
  const indent = lead === "" ? 0 : 8;
  const [first = "", ...rest] = wrap(text, width - indent);
  return [lead + first, ...rest.map((line) => " ".repeat(indent) + line)];
}
