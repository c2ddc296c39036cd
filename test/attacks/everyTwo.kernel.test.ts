/**
 * All attacks under every two options of the operator, and no third one. The covering combinations of
 * `combinations.kernel.test.ts` are fewer, but have so many exceptions each that one of them may hide what two
 * others open.
 */
import { expect, it, onTestFinished } from "vitest";
import { startAgent } from "../support/agent/agent.ts";
import { everyTwo, groupsOf, unexplainedUnder } from "../support/attacks/combinations.ts";

const groups = groupsOf(everyTwo()).map((group) => [group.name, group] as const);

/** Half a second for a combination, on a quiet host. */
const timeout = 900_000;

it.each(groups)(
  "attacks break only through what one of two options opens: %s",
  { timeout },
  async (_, group) => {
    const agent = await startAgent({ options: group.options });
    onTestFinished(async () => void (await agent.close()));
    expect(await unexplainedUnder(agent, group)).toEqual({});
  },
);
