/** Whether this machine can have a black box. */
import { findBlackBoxProblem } from "../../../src/effects/blackBox/blackBox.ts";
import { findCgroup2Mount } from "../../../src/effects/cgroup/cgroup.ts";

/**
 * The reason why tasks of this machine have no black box; undefined if they can. Says loudly that `subject` is not
 * tested then.
 */
export async function blackBoxProblem(subject: string): Promise<string | undefined> {
  const problem = await findBlackBoxProblem(findCgroup2Mount());
  if (problem !== undefined) console.warn(`NOT TESTED: ${subject}, since ${problem}`);
  return problem;
}
