import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { runTask, startAgent, startTask } from "../../support/agent/agent.ts";
import { type Command, makeAllocation } from "../../support/agent/allocation.ts";

/** The plugin must never write this value, neither as it is nor as hexadecimal digits. */
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

  expect(errors.filter(isTelling)).toEqual([]);
  expect(agent.stderrLines.filter(isTelling)).toEqual([]);
  const files = readdirSync(agent.stateDir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`);
  expect(files).toContain(`${agent.stateDir}/events/data.mdb`);
  expect(files.filter((file) => isTelling(readFileSync(file, "latin1")))).toEqual([]);
  // The log has the names, so that histories can be compared. Finding them shows that the search works.
  expect(readFileSync(`${agent.stateDir}/events/data.mdb`, "latin1")).toContain("NAME_OF_A_SECRET");
});

/** Starts that fail at different points after the driver has read the environment. */
const failing: [Command, Readonly<Record<string, string>>?][] = [
  [{ command: "no-such-command" }],
  [{ command: "true", args: ["x".repeat(1 << 20)] }],
  [{ command: "true", work_dir: "missing" }],
  [{ command: "true", unknown_option: true }],
  ["true", { NOMAD_TASK_DIR: `/${secret}` }],
  ["true", { [`A=${secret}`]: "" }],
  ["true", { NUL: `${secret}\0` }],
  ["true", { HUGE: secret.repeat(10_000) }],
];

function isTelling(text: string): boolean {
  return text.includes(secret) || text.includes(Buffer.from(secret).toString("hex"));
}
