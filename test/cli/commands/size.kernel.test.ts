/** `size` over histories that `run` leaves in the log, and over bundles. */
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { jobInMetrics, servePrometheus } from "../../support/metrics/fakePrometheus.ts";
import { call, shellJob } from "../../support/screen/commandLine.ts";

const always = ["--since", "36500d"];

describe("size", () => {
  it("has the tasks of a job that ran on this host, and not those of others", async () => {
    const stateDir = temporaryFolder();
    await call(["run", "--state-dir", stateDir, shellJob("sleep 2.5")]);
    const { code, stdout, stderr } = await call(["size", "test", "--state-dir", stateDir]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^task of group group, job test: 1 run, /);
    expect(stdout).toMatch(/^memory +.*300 MiB reserved\./m);
    expect(stdout).toContain("The evidence is thin: 1 run");
    const { stdout: json } = await call(["size", "test", "--state-dir", stateDir, "--json"]);
    expect(JSON.parse(json)).toMatchObject({ job: "test", task: "task", runs: { count: 1, going: 0 } });
    expect(await call(["size", "tset", "--state-dir", stateDir])).toMatchObject({
      ...{ code: 1, stdout: "" },
      stderr: expect.stringMatching(/^TASK_NOT_FOUND: no run of a job tset .*\nhint: Did you mean test\?/),
    });
  });

  it("reads a bundle, and a folder of bundles", async () => {
    const bundle = "docs/histories/denied.jsonl";
    const one = await call(["size", "accounts", "--state-dir", bundle, ...always]);
    expect(one.stdout).toContain("  resources {\n-   memory = 32\n+   memory = 10\n  }\n");
    const folder = await call(["size", "accounts", "--state-dir", "docs/histories", ...always]);
    expect(folder).toEqual(one);
    const killed = await call(["size", "transfer", "--state-dir", "docs/histories", "--measured", ...always]);
    expect(killed.stdout).not.toContain("resources {");
    expect(killed.stdout).toContain("killed processes for lack of memory at a limit of 32 MiB");
  });

  it("says that the runs are older than the time that it was asked for", async () => {
    const old = await call(["size", "accounts", "--state-dir", "docs/histories", "--since", "1s"]);
    expect(old).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^TASK_NOT_FOUND: .* of the last 1 s; the last one ended at /),
    });
  });

  it("takes runs from Prometheus, and proposes something only with --measured", async () => {
    const { url } = await servePrometheus(jobInMetrics(30));
    const cautious = await call(["size", "shop", "--prometheus", url]);
    expect(cautious).toMatchObject({ code: 0, stderr: "" });
    expect(cautious.stdout).toMatch(/^web of group g, job shop: 30 runs, /);
    expect(cautious.stdout).not.toContain("resources {");
    const measured = await call(["size", "shop", "--prometheus", url, "--measured"]);
    expect(measured.stdout).toContain("-   memory = 600\n+   memory = 256\n");
    const nothing = await servePrometheus(jobInMetrics(0));
    expect(await call(["size", "shop", "--prometheus", nothing.url])).toMatchObject({
      ...{ code: 1, stderr: expect.stringContaining("TASK_NOT_FOUND: Prometheus has no task of a job shop") },
    });
  });
});
