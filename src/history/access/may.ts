/**
 * Answers whether a run may do something, from its recorded request and sandbox, with the rule that says so.
 * Pure.
 */

import { type EgressOptions, egressAnswer, parseEgress } from "../../effects/egress/egress.ts";
import { destinationText, egressBlocker } from "../../effects/egress/egressDenial.ts";
import { parseAddress } from "../../effects/network/addresses.ts";
import { isAtOrBelow } from "../../effects/paths/paths.ts";
import { FIRST_FREE_PORT, LOW_PORTS } from "../../effects/seccomp/portRestrictions.ts";
import type { UnveilSource } from "../../effects/unveil/unveil.ts";
import { adviceFor, refusalsOf } from "../../effects/verdicts.ts";
import type { EventData } from "../../machines/events.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import type { AskedAccess } from "./askedAccess.ts";
import { pathsInTask, rightsAt, sourceWords } from "./rightsAt.ts";

export interface Answer {
  readonly allowed: boolean;
  /** The rule that decides, as a sentence without its full stop. */
  readonly rule: string;
  /** What else has a say that the records do not know; null if nothing has. */
  readonly proviso: string | null;
  /** What would allow it, as a sentence without its full stop; empty if it is allowed, or if nothing would. */
  readonly advice: string;
}

type Request = EventData<"requested">;
type Sandbox = EventData<"sandboxed">;
type Asked<Kind extends AskedAccess["kind"]> = Extract<AskedAccess, { kind: Kind }>;

/** A run whose sandbox is recorded. */
export interface SandboxedRun {
  readonly request: Request;
  readonly sandbox: Sandbox;
  /** The names that the task may connect to. */
  readonly names: TaskContext["names"];
}

/** The run's request and sandbox; undefined if it never had a sandbox. */
export function sandboxedRun({ request, sandbox, names }: TaskContext): SandboxedRun | undefined {
  return request === null || sandbox === null ? undefined : { request, sandbox, names };
}

export function mayAccess(run: SandboxedRun, asked: AskedAccess): Answer {
  switch (asked.kind) {
    case "path":
      return mayUsePath(run, asked);
    case "port":
      return mayUsePort(run, asked);
    case "call":
      return mayCall(run, asked);
  }
}

const allowed = (rule: string, proviso: string | null = null): Answer => ({
  allowed: true,
  rule,
  proviso,
  advice: "",
});

function refused(run: SandboxedRun, { denial }: Pick<AskedAccess, "denial">, rule: string): Answer {
  return { allowed: false, rule, proviso: null, advice: adviceFor(denial, run) };
}

function mayUsePath(run: SandboxedRun, asked: Asked<"path">): Answer {
  const { sandbox } = run;
  const { path, letters } = asked;
  const rules = sandbox.unveiled.flatMap((rule) =>
    pathsInTask(rule, sandbox).map((at) => ({ ...rule, path: at })),
  );
  const { rights, leads } = rightsAt(path, rules);
  const around = rules.filter((rule) => isAtOrBelow(path, rule.path));
  const missing = [...letters].filter((letter) => !rights.includes(letter));
  if (missing.length === 0) {
    const deciding = around.filter(({ mode }) => [...letters].some((letter) => mode.includes(letter)));
    const proviso =
      sandbox.uid === 0
        ? "as far as something is there, and file modes allow it to root without the capabilities that it lacks"
        : `as far as something is there whose owner and mode allow it to uid ${sandbox.uid}`;
    return allowed(`unveiled by ${deciding.map(ruleText).join(" and ")}`, proviso);
  }
  if (around.length > 0) {
    const answer = refused(
      run,
      asked,
      `${around.map(ruleText).join(" and ")} ${lacks(around.length)} ${missing.join("")}`,
    );
    // An unveil entry in a mount is ignored.
    if (around.every(({ source }) => source !== "mount")) return answer;
    const isWrite = missing.every((letter) => "wc".includes(letter));
    return { ...answer, advice: isWrite ? "To allow it: readonly = false in the job's mount block" : "" };
  }
  if (leads) return refused(run, asked, `${path} only leads to an unveiled path`);
  return refused(
    run,
    asked,
    sandbox.root === "private"
      ? `no unveiled path has it, so nothing is at ${path} in the task's root`
      : "no unveiled path has it",
  );
}

function lacks(count: number): string {
  return count === 1 ? "lacks" : "lack";
}

/** `r:/etc/ssl (default paths)` */
function ruleText({ mode, path, source }: Sandbox["unveiled"][number]): string {
  const sources = source.split(", ").map((each) => sourceWords[each as UnveilSource] ?? each);
  return `${mode}:${path} (${sources.join(", ")})`;
}

function mayUsePort(run: SandboxedRun, asked: Asked<"port">): Answer {
  const { request, sandbox } = run;
  const { option, host, port, denial } = asked;
  if (request.network.mode === "none" && host !== undefined && !isLoopback(host)) {
    return {
      ...refused(run, asked, "its network has only a loopback interface (network mode none)"),
      advice: "",
    };
  }
  const limit = request.options[option];
  if (refusalsOf(denial, run, () => false).length > 0) {
    const ports = Array.isArray(limit) && limit.length > 0 ? `only ${limit.join(", ")}` : "no port";
    return refused(run, asked, `${option} allows ${ports}`);
  }
  const isLow = option.startsWith("bind") && port > 0 && port < FIRST_FREE_PORT;
  const isRoot = sandbox.uid === 0 && sandbox.capabilities === null;
  if (isLow && !isRoot && !sandbox.capabilities?.includes(LOW_PORTS)) {
    return {
      ...refused(run, asked, `port ${port} is below ${FIRST_FREE_PORT}, and the task lacks ${LOW_PORTS}`),
      advice: `To allow it: cap_add = ["${LOW_PORTS}"]; on the client, this needs ${LOW_PORTS} in allow_caps`,
    };
  }
  const egress = option.startsWith("connect") ? mayReach(run, asked) : undefined;
  if (egress?.allowed === false) return egress;
  const rule = Array.isArray(limit) ? `${option} has ${port}` : `the task has no list of ports (${option})`;
  const where = host !== undefined && Array.isArray(limit) ? "the list names ports, not addresses; " : "";
  return allowed(
    egress === undefined ? rule : `${rule}, and ${egress.rule}`,
    `${egress === undefined ? where : ""}routes and firewalls of ${networkWords[request.network.mode]} apply`,
  );
}

/** What the task's list of destinations says; undefined without one. */
function mayReach(run: SandboxedRun, { option, host, port }: Asked<"port">): Answer | undefined {
  const { sandbox, names } = run;
  if (sandbox.egress === null) return undefined;
  const lists: EgressOptions = {
    egress: sandbox.egress.allowed ?? undefined,
    egressDenied: sandbox.egress.denied,
  };
  const protocol = option === "connect_udp" ? "udp" : "tcp";
  if (host === undefined) return mayUseSomewhere(run, lists, protocol, port);
  const addresses = new Map(names.map((each) => [each.name, each.addresses]));
  const address = parseAddress(host);
  const name = address === undefined ? host.toLowerCase() : undefined;
  const { allowed: isAllowed, by } = egressAnswer({ protocol, address, name, port }, lists, addresses);
  if (isAllowed) {
    return allowed(
      by === undefined
        ? "egress_denied does not have it"
        : by === "loopback"
          ? "it is loopback"
          : `egress has ${by}`,
    );
  }
  const denial = { blockers: [egressBlocker(protocol)], object: destinationText(host, port) };
  return refused(run, { denial }, by === undefined ? "egress does not have it" : `egress_denied has ${by}`);
}

/** The answer for a port without an address. */
function mayUseSomewhere(
  run: SandboxedRun,
  { egress }: EgressOptions,
  protocol: "tcp" | "udp",
  port: number,
): Answer {
  const places = egress?.filter((text) => {
    const entry = parseEgress(text);
    return (entry.protocol ?? protocol) === protocol && (entry.port ?? port) === port;
  });
  if (places === undefined) return allowed("egress_denied names addresses only");
  if (places.length > 0) return allowed(`egress has ${places.join(", ")}`);
  return {
    ...refused(
      run,
      { denial: { blockers: [], object: null } },
      `egress has no entry with port ${port}, so only loopback is open`,
    ),
    advice: `To allow it: an entry with an address and :${port} in egress`,
  };
}

const networkWords: Readonly<Record<Request["network"]["mode"], string>> = {
  host: "the host's network",
  group: "the allocation's own network",
  none: "the task's own loopback interface",
};

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}

function mayCall(run: SandboxedRun, asked: Asked<"call">): Answer {
  const { sandbox } = run;
  const { call, denial } = asked;
  const verdicts = refusalsOf(denial, run, () => false);
  const isDenied = verdicts.length > 0;
  const profile = sandbox.seccomp?.profile;
  if (isDenied) {
    return refused(
      run,
      asked,
      `the sandbox refuses ${call}, or some of its arguments (profile ${profile ?? "none"})`,
    );
  }
  if (profile === undefined) return allowed("the kernel has no filters of system calls");
  return allowed(`the profile ${profile} does not refuse ${call}`, "the kernel may ask for a capability");
}
