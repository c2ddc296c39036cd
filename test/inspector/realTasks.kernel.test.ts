/** The page shows real tasks of a real plugin. Needs root and Chromium. */
import { rmSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { InspectorServer } from "../../src/inspector/server/server.ts";
import { newStateDir, startAgent, startTask, waitTask } from "../support/agent/agent.ts";
import { makeAllocation } from "../support/agent/allocation.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";
import { openPage, screenshot } from "../support/screen/browserPage.ts";
import { call, shellJob, start } from "../support/screen/commandLine.ts";

async function startInspector(path: string): Promise<string> {
  const server = await InspectorServer.start({ path, host: "127.0.0.1", port: 0 });
  onTestFinished(() => server.close());
  return server.url;
}

describe("the page", () => {
  it("shows live how a task starts, is asked to stop, and ends", async (context) => {
    const agent = await startAgent();
    const page = await openPage(context, await startInspector(agent.stateDir));
    await page.getByText("No task has run here yet").waitFor();
    const allocation = makeAllocation({ taskName: "web" });
    const config = allocation.config("trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done");
    await startTask(agent, config);
    await page.locator(".row", { hasText: "Running" }).waitFor();
    await page.getByRole("link", { name: "web" }).click();
    await page.locator("#state-running.lit").waitFor();
    await page.getByText("/bin/sh").first().waitFor();
    await agent.driver.stopTask({ taskId: config.id, timeout: { seconds: 60, nanos: 0 }, signal: "SIGTERM" });
    await page.locator("#state-exited.lit").waitFor();
    await page.locator(".headline", { hasText: "Stopped as requested" }).waitFor();
    await page.getByText(/^Stop requested → SIGTERM delivered → exit code 3, after/).waitFor();
    await page.getByRole("link", { name: "Node" }).click();
    await page.getByText(`process ${agent.pid}, version`).waitFor();
  });

  it("says that the plugin has ended, and that another one has recovered the task", async (context) => {
    const agent = await startAgent();
    const allocation = makeAllocation({ taskName: "survivor" });
    const config = allocation.config("exec sleep 1000");
    const handle = await startTask(agent, config);
    const page = await openPage(context, await startInspector(agent.stateDir));
    await page.locator(".row", { hasText: "Running" }).waitFor();
    await agent.crash();
    await page.getByText("No plugin is running").waitFor();
    await page.screenshot({ path: screenshot("pluginGone") });
    const next = await startAgent({ stateDir: agent.stateDir });
    await next.driver.recoverTask({ taskId: config.id, handle });
    await page.locator(".row", { hasText: "Running, taken over once" }).waitFor();
    await page.getByText("No plugin is running").waitFor({ state: "detached" });
    await page.getByRole("link", { name: "survivor" }).click();
    await page.locator("#state-recovered.lit").waitFor();
    await next.driver.stopTask({ taskId: config.id, timeout: { seconds: 60, nanos: 0 }, signal: "SIGKILL" });
    await waitTask(next, config);
    await page.locator("#state-exited.lit").waitFor();
  });

  it("says that there is no log yet, and continues by itself once there is one", async (context) => {
    const stateDir = newStateDir();
    const page = await openPage(context, await startInspector(stateDir));
    await page.getByText(`There is no event log in ${stateDir}`).waitFor();
    const agent = await startAgent({ stateDir });
    const allocation = makeAllocation({ taskName: "first" });
    await startTask(agent, allocation.config("exit 7"));
    await page.locator(".row", { hasText: "Failed with exit code 7" }).waitFor();
    await page.getByText("There is no event log").waitFor({ state: "detached" });
  });

  it("shows live what a real task writes, beside its events", async (context) => {
    const stateDir = temporaryFolder();
    const script = "echo up; trap 'echo bye; exit 3' INT; while :; do sleep 0.1; done";
    const run = start(["run", "--keep", "--state-dir", stateDir, shellJob(script)]);
    await run.seen("up");
    const page = await openPage(context, await startInspector(stateDir));
    await page.locator(".row", { hasText: "Running" }).getByRole("link").first().click();
    await page.getByRole("button", { name: "stdout" }).click();
    await page.locator(".line", { hasText: "up" }).waitFor();
    await page.getByText("following").waitFor();
    await call(["stop", "task", "--state-dir", stateDir]);
    await page.locator(".line", { hasText: "bye" }).locator(".at.seen").waitFor();
    await page.locator(".among", { hasText: "exit code 3" }).waitFor();
    const { stderr } = await run.ended;
    const [, work = ""] = /keeping folders: (\S+)/.exec(stderr) ?? [];
    await call(["clean", work]);
    rmSync(work, { recursive: true });
  });

  it("names the path that a task missed, as why does", async (context) => {
    const stateDir = temporaryFolder();
    const run = start(["run", "--keep", "--state-dir", stateDir, shellJob("cat /etc/login.defs")]);
    const { stderr } = await run.ended;
    const page = await openPage(context, await startInspector(stateDir));
    await page
      .locator(".row", { hasText: /Failed: (?:its last line names|nothing at) \/etc\/login\.defs/ })
      .getByRole("link")
      .click();
    // With a black box, the failed call confirms it.
    const sentence =
      /(?:Its last line names \/etc\/login\.defs: nothing is there|Nothing at \/etc\/login\.defs) in its root; the host has it/;
    await page.locator(".verdict", { hasText: sentence }).waitFor();
    const { stdout } = await call(["why", "task", "--state-dir", stateDir]);
    expect(stdout.replaceAll(/\s+/g, " ")).toMatch(sentence);
    const [, work = ""] = /keeping folders: (\S+)/.exec(stderr) ?? [];
    await call(["clean", work]);
    rmSync(work, { recursive: true });
  });
});
