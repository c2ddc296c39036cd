/** The black box. Its module is loaded only where it is needed: most plugins have none. */
import { makeRecorder, type Recorder } from "../blackBox/recorder.ts";
import { type NodePart, ownProblem } from "./nodePart.ts";

export const recorder = {
  open: ({ log }) => makeRecorder(log),
  configure: (kept, { options, facts }) => kept.configure(options.blackBox, facts.cgroupMount),
  offer: {
    changes: ({ problems }) => problems,
    now: ownProblem,
    find: async ({ cgroupMount }) => {
      const { findBlackBoxProblem } = await import("../../effects/blackBox/blackBox.ts");
      return { problem: await findBlackBoxProblem(cgroupMount) };
    },
    attributes: ({ problem }, { blackBox }) => ({
      black_box: blackBox !== "off" && problem === undefined,
      "black_box.problem": blackBox !== "off" ? problem : undefined,
    }),
    lack: {
      counts: ({ blackBox }) => blackBox === "on",
      isVital: false,
      means: (problem) => ({
        what: `there is no black box (${problem})`,
        consequence: "causes of failures lack paths that a task did not find, and senders of signals",
        remedy:
          'Use a kernel with BTF (CONFIG_DEBUG_INFO_BTF) and BPF at tracepoints (CONFIG_BPF_EVENTS), not locked down for confidentiality, or set black_box = "off"',
      }),
    },
    check: {
      name: "black box",
      needsRoot: true,
      found: ({ problem }) => problem ?? "possible",
      serves: "telling why a silent program failed",
    },
  },
} satisfies NodePart<Recorder>;
