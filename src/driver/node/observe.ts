/** What tasks use, for those that are observed. Its module is loaded only where it is needed: most plugins observe none. */
import { makeObserver, type Observer } from "../observe/observer.ts";
import { type NodePart, ownProblem } from "./nodePart.ts";

export const observer = {
  open: ({ log }) => makeObserver(log),
  configure: (kept, { options, facts }) =>
    kept.configure(options.observe === "off" ? "off" : "on", facts.cgroupMount),
  offer: {
    changes: ({ problems }) => problems,
    now: ownProblem,
    find: async ({ cgroupMount }) => {
      const { findObservatoryProblem } = await import("../../effects/observe/observatory.ts");
      return { problem: await findObservatoryProblem(cgroupMount) };
    },
    attributes: ({ problem }, { observe }) => ({
      observe: observe !== "off" && problem === undefined,
      "observe.problem": observe !== "off" ? problem : undefined,
    }),
    lack: {
      counts: ({ observe }) => observe !== "off",
      isVital: false,
      means: (problem) => ({
        what: `no task is observed (${problem})`,
        consequence: "nobody learns what tasks use, and policy has nothing to say",
        remedy:
          'Use a kernel with BTF (CONFIG_DEBUG_INFO_BTF) and BPF at tracepoints (CONFIG_BPF_EVENTS), not locked down for confidentiality, or set observe = "off"',
      }),
    },
    check: {
      name: "observing tasks",
      needsRoot: true,
      found: ({ problem }) => problem ?? "possible",
      serves: "telling what a stricter policy would break",
    },
  },
} satisfies NodePart<Observer>;
