/** The verb fleet against a server that answers as Nomad does. */
import { describe, expect, it, onTestFinished } from "vitest";
import { progressBar, progressText } from "../../../src/cli/terminal/progressBar.ts";
import { madeCluster, recordedCluster } from "../../support/nomad/cluster.ts";
import { type Cluster, type FakeNomadOptions, type Json, startNomad } from "../../support/nomad/fakeNomad.ts";
import { call, start } from "../../support/screen/commandLine.ts";
import { expectToFit } from "../../support/screen/jsonOutput.ts";

const token = "11f2ff0e-5a51-4c2d-b0d3-1d1f3e2a4b5c";

const envFor = (address: string, given?: string) => ({
  ...{ NO_COLOR: "1", TZ: "UTC", NOMAD_ADDR: address },
  ...(given !== undefined && { NOMAD_TOKEN: given }),
});

async function nomadWith(cluster: Cluster, options: FakeNomadOptions = {}) {
  const nomad = await startNomad(cluster, options);
  onTestFinished(() => nomad.close());
  return nomad;
}

async function fleet(
  args: readonly string[],
  {
    cluster = recordedCluster(),
    given,
    ...options
  }: FakeNomadOptions & { cluster?: Cluster; given?: string } = {},
) {
  const nomad = await nomadWith(cluster, options);
  return call(["fleet", ...args], { env: envFor(nomad.address, given) });
}

const planted = { nodes: [4, 11, 27], kernel: "6.1.57", failing: 1 };

describe("fleet why", () => {
  it("shows failures by cause, with what sets them apart", async () => {
    const cluster = madeCluster({ seed: 1, nodes: 30, allocations: 412, failing: 0, planted });
    const { code, stdout, stderr } = await fleet(["why", "web"], { cluster });
    expect([code, stderr]).toEqual([0, ""]);
    const [heading, , title, text, sentence, head, row, last] = stdout.split("\n");
    const count = Number(/(\d+) failed/.exec(heading ?? "")?.[1]);
    expect(heading).toBe(`Job web, namespace default: 412 allocations, ${count} failed, ${412 - count} good`);
    expect(title).toBe(`${count} missing_path /etc/passwd`);
    expect(text).toBe('    nothing at /etc/passwd in its root; the host has it: unveil = ["r:/etc/passwd"]');
    const counts = `${count} of ${count} there; 0 of ${412 - count} elsewhere`;
    expect(sentence).toBe(`    ${count} of 412 allocations failed so, all on kernel 6.1.57 (${counts}).`);
    expect(head).toMatch(/^ {4}what +nodes +failed there +elsewhere +by chance$/);
    expect(row).toMatch(
      new RegExp(
        `^ {4}kernel 6\\.1\\.57 +3 of 30 +${count} of ${count} +0 of ${412 - count} +1 in 10\\^\\d+$`,
      ),
    );
    expect(last).toMatch(/^ {4}2026-\S+ \S+.*; such as [0-9a-f]{8}, [0-9a-f]{8}, [0-9a-f]{8}$/);
  });

  it("says the same as JSON", async () => {
    const cluster = madeCluster({ seed: 1, nodes: 30, allocations: 412, failing: 0, planted });
    const { code, stdout } = await fleet(["why", "web", "--json"], { cluster });
    expect(code).toBe(0);
    expectToFit("fleet why", stdout);
    expect(JSON.parse(stdout)).toMatchObject({
      ...{ job: "web", namespace: "default", since: null, certainty: 0.999, notes: [] },
      groups: [
        { kind: "missing_path", object: "/etc/passwd", named: [{ attribute: "kernel", value: "6.1.57" }] },
      ],
    });
  });

  it("without a job is about all jobs of the driver, and with --since about new failures", async () => {
    const { stdout } = await fleet(["why", "--namespace", "*", "--since", "2026-12-01T02:13:25Z"]);
    expect(stdout).toContain("All jobs of exec2, all namespaces, since 2026-12-01 02:13:25.000: ");
    expect(stdout).toContain("of 1 job: loop; ");
    expect(stdout).not.toContain("SIGSEGV");
  });

  it("says that nothing failed", async () => {
    const { code, stdout } = await fleet(["why", "web"]);
    expect([code, stdout]).toEqual([0, "Job web, namespace default: 3 allocations, 0 failed, 3 good\n"]);
  });

  it("is refused with the rules of a policy that it needs, and never shows the token", async () => {
    const tokens = { other: ["jobs"] } as const;
    const { code, stdout, stderr } = await fleet(["why", "web"], { tokens, given: token });
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toBe(
      [
        "NOMAD_REFUSED: Nomad refuses /v1/allocations with this token: Permission denied",
        "hint: Set NOMAD_TOKEN to a token whose policy has these rules:",
        '  namespace "default" {',
        '    capabilities = ["read-job"]',
        "  }",
        "  node {",
        '    policy = "read"',
        "  }\n",
      ].join("\n"),
    );
  });

  it("shows a name with control characters as text", async () => {
    const cluster = recordedCluster();
    for (const each of cluster.allocations) each.JobID = "web";
    for (const each of cluster.allocations)
      if (each.ClientStatus === "failed") each.ClientDescription = "\x1b[2J";
    for (const each of cluster.allocations) if (each.ClientStatus === "failed") each.TaskStates = null;
    const { stdout } = await fleet(["why", "web"], { cluster });
    expect(stdout).toContain("␛[2J");
    expect(stdout).not.toContain("\x1b");
  });

  it("follows what changes", async () => {
    const cluster = recordedCluster();
    const nomad = await nomadWith(cluster);
    const { seen } = start(["fleet", "why", "web", "--follow", "--json"], { env: envFor(nomad.address) });
    await seen('"failed":0,"good":3');
    const crash = cluster.allocations.find(({ JobID }) => JobID === "crash");
    cluster.allocations.push({ ...crash, ID: "0c3f1f5e-0000-4000-8000-000000000000", JobID: "web" });
    await expect
      .poll(() => nomad.requests.some(({ query }) => query.has("index")), { timeout: 30_000 })
      .toBe(true);
    nomad.changed();
    expect((await seen('"failed":1,"good":3')).trimEnd().split("\n")).toHaveLength(2);
  });
});

describe("fleet nodes", () => {
  const changed = (name: string, change: (node: Json) => object) => {
    const cluster = madeCluster({ seed: 1, nodes: 4, allocations: 0, failing: 0 });
    cluster.nodes = cluster.nodes.map((node) => ({
      ...node,
      Attributes: {
        ...(node.Attributes as object),
        "driver.exec2.pressure": "true",
        "driver.exec2.io.weight": "true",
      },
      ...(node.Name === name ? change(node) : {}),
    }));
    for (const node of cluster.nodes) node.Drivers = withoutAttributes(node);
    return cluster;
  };
  const withoutAttributes = ({ Drivers }: Json) => {
    const { exec2 } = Drivers as { exec2?: object };
    return exec2 === undefined ? {} : { exec2: { ...exec2, Attributes: null } };
  };
  const tableOf = (stdout: string) => stdout.split("\n\n")[0]?.split("\n") ?? [];

  it("shows each node's driver, kernel, Landlock ABI and health, and its reasons", async () => {
    const cluster = changed("client-2", () => ({ Status: "down", SchedulingEligibility: "ineligible" }));
    const { code, stdout } = await fleet(["nodes"], { cluster });
    expect(code).toBe(0);
    const [head, ...rows] = tableOf(stdout);
    expect(head).toMatch(/^node +status +driver +kernel +Landlock +health$/);
    expect(rows.map((row) => row.split(/ +/).slice(0, 3).join(" "))).toEqual([
      "client-0 ready 0.1.0",
      "client-1 ready 0.1.0",
      "client-2 down 0.1.0",
      "client-3 ready 0.1.0",
    ]);
    for (const row of rows)
      expect(row).toMatch(
        / 6\.\d+\.\d+ +ABI 7 +healthy: \/sys\/fs\/cgroup lacks the cgroup controllers memory/,
      );
    expect(stdout).toContain(
      "Driver 0.1.0 is on 4 of 4 nodes\nAll nodes with the driver offer tasks the same\n",
    );
  });

  it("says what an upgrade still lacks", async () => {
    const cluster = changed("client-1", ({ Attributes }) => ({
      Attributes: { ...(Attributes as object), "driver.exec2.version": "0.10.0" },
    }));
    cluster.nodes.push({ ...cluster.nodes[0], ID: "x", Name: "client-10", Drivers: {}, Attributes: {} });
    const { stdout } = await fleet(["nodes"], { cluster });
    expect(stdout).toContain(
      [
        "Driver 0.10.0 is on 1 of 5 nodes",
        "3 nodes lack it and have another version: client-0, client-2, client-3",
        "1 node has no driver: client-10\n",
      ].join("\n"),
    );
    expect(tableOf(stdout).at(-1)).toMatch(/^client-10 +ready +– +– +– +no driver$/);
  });

  it("says what to know of the nodes' agents", async () => {
    const cluster = changed("client-1", ({ Attributes }) => ({
      Attributes: { ...(Attributes as object), "nomad.version": "1.9.3" },
    }));
    const { stdout } = await fleet(["nodes"], { cluster });
    expect(stdout.replaceAll(/\s+/g, " ")).toContain(
      "Nomad 1.9.3 panics when a task with a dynamic user is restarted: client-1. Set `user` in each job",
    );
    expect(stdout).not.toContain("has not been tried");
  });

  it("says where nodes differ, with the nodes that are unlike most", async () => {
    const cluster = changed("client-3", ({ Attributes }) => {
      const { "driver.exec2.seccomp": _, ...rest } = Attributes as Record<string, string>;
      return { Attributes: { ...rest, "driver.exec2.root": "host" } };
    });
    const { stdout } = await fleet(["nodes", "--json"], { cluster });
    expectToFit("fleet nodes", stdout);
    const { differences } = JSON.parse(stdout);
    const most = ["client-0", "client-1", "client-2"];
    const names = ["client-3"];
    expect(differences).toEqual(
      expect.arrayContaining([
        {
          attribute: "root",
          values: [
            { value: "private", nodes: most },
            { value: "host", nodes: names },
          ],
        },
        {
          attribute: "seccomp",
          values: [
            { value: "true", nodes: most },
            { value: null, nodes: names },
          ],
        },
      ]),
    );
    const text = (await fleet(["nodes"], { cluster })).stdout;
    expect(text).toMatch(/^root +private +3 nodes\n +host +client-3$/m);
    expect(text).toMatch(/^seccomp +true +3 nodes\n +\(not there\) +client-3$/m);
  });

  it("says that a driver is unhealthy and why", async () => {
    const cluster = changed("client-0", ({ Drivers }) => {
      const { exec2 } = Drivers as { exec2: object };
      return {
        Drivers: { exec2: { ...exec2, Healthy: false, HealthDescription: "LANDLOCK_UNAVAILABLE: no" } },
      };
    });
    const { stdout } = await fleet(["nodes"], { cluster });
    expect(stdout).toMatch(/client-0 .* unhealthy: LANDLOCK_UNAVAILABLE: no\n/);
  });
});

describe("invalid arguments", () => {
  it.each([
    [["what"], "Allowed choices are why, nodes"],
    [["why", "web", "--since", "noon"], "Expected a duration such as 2h, or a time."],
    [["why", "web", "api"], "too many arguments"],
  ])("%j cause an error", async (args, text) => {
    const { code, stdout, stderr } = await fleet(args);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(text);
  });

  it.each([[["web"]], [["--since", "2h"]], [["--follow"]]])("%j is not for nodes", async (args) => {
    const { code, stderr } = await fleet(["nodes", ...args]);
    expect([code, stderr]).toEqual([1, "CONFIG_INVALID: a job, --since and --follow are for fleet why\n"]);
  });
});

describe("the progress bar", () => {
  it("shows the share and the count", () => {
    expect(progressText({ what: "allocations", done: 1_500, share: 0.25 })).toBe(
      `[${"#".repeat(6)}${"·".repeat(18)}] 1,500 allocations`,
    );
    expect(progressText({ what: "nodes", done: 3, share: 2 })).toBe(`[${"#".repeat(24)}] 3 nodes`);
  });

  it("is written to a terminal, and leaves it empty", () => {
    const written: string[] = [];
    const stream = {
      isTTY: true,
      write: (text: string) => written.push(text) > 0,
    } as unknown as NodeJS.WriteStream;
    const bar = progressBar(stream);
    bar.show({ what: "jobs", done: 1, share: 1 });
    bar.clear();
    expect(written).toEqual([`\r[${"#".repeat(24)}] 1 jobs\x1b[K`, "\r\x1b[K"]);
    const silent = progressBar({ ...stream, isTTY: false } as unknown as NodeJS.WriteStream);
    silent.show({ what: "jobs", done: 1, share: 1 });
    expect(written).toHaveLength(2);
  });
});
