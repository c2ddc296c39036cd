/** The figures of a real plugin and its tasks, scraped and checked. Needs root. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startAgent, startTask, waitTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { eventually } from "../../support/host/eventually.ts";
import { freePort } from "../../support/host/loopback.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { expectAccepted, parseScrape } from "../../support/metrics/scraped.ts";

describe("a plugin's figures", () => {
  it("show what its tasks use and how they end", async () => {
    const socket = join(temporaryFolder(), "metrics.sock");
    const agent = await startAgent({ options: { metrics: socket } });
    const scrape = () =>
      execFileSync("curl", ["--silent", "--fail", "--unix-socket", socket, "http://localhost/metrics"], {
        encoding: "utf8",
      });
    const allocation = makeAllocation({ taskName: "busy" });
    const config = allocation.config("while :; do :; done", { env: { SECRET: "correct-horse" } });
    await startTask(agent, config);
    const labels = `alloc_id="${config.allocId}",task="busy"`;
    const series = () => new Map([...parseScrape(scrape()).values()].flatMap((family) => [...family.series]));
    await eventually(() =>
      expect(series().get(`exec2_task_cpu_seconds_total{${labels},mode="user"}`)).toBeGreaterThan(0.1),
    );
    const text = scrape();
    expect(text).not.toContain("correct-horse");
    expect(text).toMatch(
      /^exec2_task_info\{.*,task="busy",nomad_job="[^"]+",nomad_group="[^"]+",nomad_namespace="/m,
    );
    // Prometheus adds these two labels to each series itself.
    expect(text).not.toMatch(/[{,](?:job|instance)="/);
    expectAccepted(text);
    expect(Object.fromEntries(series())).toMatchObject({
      exec2_tasks_running: 1,
      exec2_tasks_shown: 1,
      exec2_task_start_seconds_count: 1,
      [`exec2_task_cpu_reserved_hertz{${labels}}`]: 50e6,
      [`exec2_task_memory_reserved_bytes{${labels}}`]: 40 * 2 ** 20,
      [`exec2_task_oom_kills_total{${labels}}`]: 0,
      'exec2_task_ends_total{nomad_job="",result="killed"}': 0,
    });
    await agent.driver.stopTask({ taskId: config.id, timeout: { seconds: 60, nanos: 0 }, signal: "SIGKILL" });
    await waitTask(agent, config);
    const ends = [...series()].filter(
      ([name, value]) => name.startsWith("exec2_task_ends_total") && value > 0,
    );
    expect(ends).toHaveLength(1);
    // The plugin caches a reading for a second.
    await eventually(() => expect(series().get("exec2_tasks_running")).toBe(0));
  });

  it("are also served on a loopback address, but only for names of this host", async () => {
    const port = await freePort();
    await startAgent({ options: { metrics: `127.0.0.1:${port}` } });
    const scrape = (...more: string[]) =>
      execFileSync("curl", ["--silent", ...more, `http://127.0.0.1:${port}/metrics`], { encoding: "utf8" });
    const text = await eventually(() => scrape("--fail"));
    expect(parseScrape(text).get("exec2_tasks_running")?.series.get("exec2_tasks_running")).toBe(0);
    expectAccepted(text);
    expect(scrape("--header", "Host: evil.example")).toBe("this server does not have that host name\n");
  });
});
