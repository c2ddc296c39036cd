/** Whether a task that runs according to its events is on this host. No event tells it. */
import { bootId, isSameProcess } from "../../effects/processes/processIdentity.ts";
import { isAlive, isStateName } from "../../machines/taskMachine.ts";
import type { History } from "../replay/history.ts";
import type { Explanation } from "./explain.ts";
import { basedOn } from "./facts.ts";

/** Says of a task without init what `ps` says of it: it is `gone`. */
export function asOnHost(explanation: Explanation, { finalState }: History): Explanation {
  const { value, context } = finalState;
  const { process } = context;
  if (!isStateName(value) || !isAlive(value) || process === null) return explanation;
  if (process.bootId === bootId() && isSameProcess(process.init)) return explanation;
  const gone = basedOn([], "It does not run on this host: no plugin has seen its end");
  return { ...explanation, state: "gone", sentences: [...explanation.sentences, gone] };
}
