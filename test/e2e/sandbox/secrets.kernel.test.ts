import { expect, test } from "vitest";
import { runTask, startAgent, startTask } from "../../support/agent/agent.ts";
import { type Command, makeAllocation } from "../../support/agent/allocation.ts";
import { filesHolding, holds } from "../../support/host/secretSearch.ts";

/** The plugin must not write this value in any form. */
const secret = "kV3-the-value-of-a-secret-9xQ";

test("no value of a task's environment gets into the log, the state folder or an error", async () => {
  const agent = await startAgent();
  const env = { PASSWORD: secret, EMPTY: "", NAME_OF_A_SECRET: `${secret}=${secret}` };

  const lived = makeAllocation();
  expect(await runTask(agent, lived.config('test -n "$PASSWORD"', { env }))).toMatchObject({ exitCode: 0 });
  const running = makeAllocation();
  await startTask(agent, running.config("exec sleep 1000", { env }));
  const errors = await Promise.all(
    failing.map(async ([command, added]) => {
      const config = makeAllocation().config(command, { env: { ...env, ...added } });
      return startTask(agent, config).then(
        () => expect.fail("it was started"),
        (error) => JSON.stringify([error.message, error.details, error.metadata.toJSON()]),
      );
    }),
  );
  await agent.close();

  const isTelling = (text: string) => holds(text, secret);
  expect(errors.filter(isTelling)).toEqual([]);
  expect(agent.stderrLines.filter(isTelling)).toEqual([]);
  expect(filesHolding(agent.stateDir, secret)).toEqual([]);
  // The log has the names, so that histories can be compared. Finding them shows that the search works.
  expect(filesHolding(agent.stateDir, "NAME_OF_A_SECRET")).toContain(`${agent.stateDir}/events/data.mdb`);
});

/** Starts that fail at different points after the driver has read the environment. */
const failing: [Command, Readonly<Record<string, string>>?][] = [
  [{ command: "no-such-command" }],
  [{ command: "true", args: ["x".repeat(1 << 19)] }],
  [{ command: "true", work_dir: "missing" }],
  [{ command: "true", unknown_option: true }],
  ["true", { NOMAD_TASK_DIR: `/${secret}` }],
  ["true", { [`A=${secret}`]: "" }],
  ["true", { NUL: `${secret}\0` }],
  ["true", { HUGE: secret.repeat(10_000) }],
];
