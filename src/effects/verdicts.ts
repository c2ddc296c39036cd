/**
 * What would allow a task what the sandbox has denied it. Every part of the sandbox is asked, because several
 * may refuse the same access. Pure.
 */
import { type Denial, landlockVerdict, unveilVerdict, type Verdict } from "./landlock/denial.ts";
import type { PortLimits } from "./network/ports.ts";
import { portVerdict } from "./seccomp/portRestrictions.ts";
import { type FilterInput, filterVerdict, type SeccompProfile } from "./seccomp/taskFilter.ts";

/** What a task may do, as far as it decides what is denied. */
export interface Allowance {
  /** Whether the task has the rights of an unveil entry, `MODE:PATH`. */
  readonly isUnveiled: (entry: string) => boolean;
  readonly ports: PortLimits;
  readonly filter: FilterInput;
}

/** The verdicts of all parts that refuse what was denied; none if a task with this allowance may do it. */
export function verdictsOn(denial: Denial, { isUnveiled, ports, filter }: Allowance): Verdict[] {
  const verdicts = [
    landlockVerdict(denial),
    unveilVerdict(denial, isUnveiled),
    portVerdict(denial, ports),
    filterVerdict(denial, filter),
  ];
  return verdicts.filter((verdict) => verdict !== undefined);
}

/** The records of a task's request and sandbox that decide what is denied. */
export interface RecordedTask {
  /** Options have their names in job files. */
  readonly request: { readonly options: Readonly<Record<string, unknown>> } | null;
  readonly sandbox: {
    readonly seccomp: SeccompProfile | null;
  } | null;
}

/** What would allow a task what it was denied, as a sentence without its full stop; empty if nothing would. */
export function adviceFor(denial: Denial, task: RecordedTask): string {
  const verdicts = verdictsOn(denial, allowanceOf(task));
  const reasons = verdicts.flatMap((verdict) => ("never" in verdict ? [verdict.never] : []));
  if (reasons.length > 0) return reasons.filter((reason) => reason !== "").join(". ");
  const remedies = verdicts.flatMap((verdict) => ("option" in verdict ? [verdict] : []));
  return remedies
    .map(({ option, permission }) => `To allow it: ${option}; on the client, this needs ${permission}`)
    .join(". ");
}

/** The allowance of a recorded task. What it was denied was not unveiled, so it counts as having no paths. */
function allowanceOf({ request, sandbox }: RecordedTask): Allowance {
  const options = request?.options ?? {};
  const list = (value: unknown) => (Array.isArray(value) ? value : undefined);
  return {
    isUnveiled: () => false,
    ports: {
      connectTcp: list(options.connect_tcp),
      bindTcp: list(options.bind_tcp),
      connectUdp: list(options.connect_udp),
      bindUdp: list(options.bind_udp),
    },
    filter: {
      profile: sandbox?.seccomp ?? null,
      pidMode: options.pid_mode === "host" ? "host" : "private",
      ownDeny: list(options.seccomp_deny) ?? [],
    },
  };
}
