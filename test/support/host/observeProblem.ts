/** Whether this machine can show what tasks use. */
import { findCgroup2Mount } from "../../../src/effects/cgroup/cgroup.ts";
import { findObservatoryProblem } from "../../../src/effects/observe/observatory.ts";

/**
 * The reason why tasks of this machine cannot be observed; undefined if they can. Says loudly that `subject` is not
 * tested then.
 */
export async function observeProblem(subject: string): Promise<string | undefined> {
  const problem = await findObservatoryProblem(findCgroup2Mount());
  if (problem !== undefined) console.warn(`NOT TESTED: ${subject}, since ${problem}`);
  return problem;
}
