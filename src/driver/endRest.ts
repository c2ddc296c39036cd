/** What is left of a run without a pid namespace of its own. */
import { endCgroup, endingMs } from "../effects/cgroupEnd.ts";
import type { TaskSnapshot } from "../machines/fold.ts";

/**
 * Ends what a run may have left in the host's pid namespace, where its init was killed:
 * any other has ended together with its init.
 */
export async function endRest({ context: { sandbox } }: TaskSnapshot): Promise<void> {
  if (sandbox?.runCgroup) await endCgroup(sandbox.runCgroup, endingMs);
}
