/** The inspector's answer to Prometheus. */
import { describe, expect, it } from "vitest";
import { life, requestWith } from "../support/history/history.ts";
import { eventually } from "../support/host/eventually.ts";
import { expectAccepted, parseScrape } from "../support/metrics/scraped.ts";
import { get, idOf, startInspector } from "../support/screen/inspector.ts";

const now = { time: Date.now() + 60_000 };

describe("/metrics", () => {
  it("has the figures of the log, and promtool accepts them", async () => {
    const { record, ask } = await startInspector();
    const lives = [life("ended"), life("failed"), life("lost"), life("ended").slice(0, 4)];
    for (const [index, events] of lives.entries()) {
      await record(
        idOf(index),
        events.map((each) => ({ ...each, ...now })),
      );
    }
    const { body, headers } = await eventually(async () => {
      const reply = await ask("/metrics");
      expect(reply.body).toContain("exec2_task_start_seconds_count 3");
      return reply;
    });
    expect(headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
    const series = new Map([...parseScrape(body).values()].flatMap((family) => [...family.series]));
    expect(Object.fromEntries(series)).toMatchObject({
      'exec2_history_tasks{result="completed"}': 1,
      'exec2_history_tasks{result="never started"}': 1,
      'exec2_history_tasks{result="lost"}': 1,
      'exec2_history_tasks{result=""}': 1,
      'exec2_task_ends_total{nomad_job="shop",result="completed"}': 1,
      'exec2_task_start_failures_total{code="LAUNCH_FAILED"}': 1,
      exec2_tasks_running: 1,
      // The task has no process on this host.
      exec2_tasks_shown: 0,
      exec2_plugins: 0,
    });
    expect(series.get("exec2_log_bytes")).toBeGreaterThan(0);
    expectAccepted(body);
  });

  it("admits a scraper only with the token", async () => {
    const { server } = await startInspector();
    const { token } = server.access;
    const ask = async (path: string, headers: Record<string, string> = {}) =>
      (await get(new URL(path, server.url).href, headers)).status;
    expect(await ask("/metrics")).toBe(401);
    expect(await ask("/metrics", { authorization: "Bearer wrong" })).toBe(401);
    expect(await ask("/metrics?token=wrong")).toBe(401);
    expect(await ask("/metrics", { authorization: `Bearer ${token}` })).toBe(200);
    expect(await ask(`/metrics?token=${token}`)).toBe(200);
    expect(await ask("/metrics", { authorization: `Bearer ${token}`, host: "evil.example" })).toBe(421);
    // As a parameter, which servers and browsers write down, the token gives access to nothing else.
    expect(await ask(`/api/tasks?token=${token}`)).toBe(401);
  });

  it("has no secret", async () => {
    const { record, ask } = await startInspector();
    const requested = requestWith({ args: ["-c", "correct-horse"], command: "correct-horse" });
    await record(idOf(1), [requested, ...life("ended").slice(1, 4)]);
    await eventually(async () => expect((await ask("/metrics")).body).toContain("exec2_tasks_running 1"));
    expect((await ask("/metrics")).body).not.toContain("correct-horse");
  });
});
