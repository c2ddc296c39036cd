/** A launch whose whole plan is known from the start. */
import {
  buildEarlyPlan,
  buildLatePlan,
  type EarlyInput,
  type LateInput,
} from "../../../src/effects/launch/buildPlan.ts";
import {
  type LaunchDescriptors,
  type Launched,
  PendingLaunch,
} from "../../../src/effects/launch/launcher.ts";
import { joinPlan, type LaunchPlan } from "../../../src/effects/plan/plan.ts";

export interface LaunchInput extends EarlyInput, LateInput {}

export function buildLaunchPlan(input: LaunchInput): LaunchPlan {
  return joinPlan(buildEarlyPlan(input), buildLatePlan(input));
}

/** @param runnerFolder where to put the runner if this host doesn't execute memfds */
export async function launch(
  plan: LaunchPlan,
  descriptors: LaunchDescriptors,
  runnerFolder?: string,
): Promise<Launched> {
  const pending = new PendingLaunch(plan, descriptors, runnerFolder);
  pending.load(plan);
  return pending.release();
}
