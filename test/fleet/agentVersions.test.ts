/** What is known of agents by their versions, and how an agent is asked for its own. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { findAgent } from "../../src/cli/commands/doctor/agentFinding.ts";
import { reportOn } from "../../src/cli/commands/doctor/report.ts";
import { agentProblem, panickingVersions } from "../../src/fleet/agentVersions.ts";
import { goodHost } from "../support/host/goodHost.ts";
import { offersWith } from "../support/host/offers.ts";
import { recordedCluster } from "../support/nomad/cluster.ts";
import { type FakeNomadOptions, type Json, startNomad } from "../support/nomad/fakeNomad.ts";

const panics = /panics when a task with a dynamic user is restarted$/;

describe("an agent's version", () => {
  it.each(["1.8.0", "1.8.4", "1.9.0", "1.9.5", "1.9.5+ent", "1.8.0-rc.1"])("%s panics", (version) => {
    expect(agentProblem(version)).toMatchObject({
      what: expect.stringMatching(panics),
      remedy: expect.stringContaining("`user`"),
    });
  });

  it.each(["1.10.0", "1.10.5", "1.11.3", "2.0.6-dev", "2.0.5"])("%s is well known", (version) => {
    expect(agentProblem(version)).toBeUndefined();
  });

  it.each(["1.7.7", "1.9.6", "1.9.7", "2.1.0", "3.0", "", "unknown"])(
    "%j is none that was tried",
    (version) => {
      expect(agentProblem(version)?.what).toBe(`Nomad ${version} has not been tried with this driver`);
    },
  );

  it("that panics is in the installation's page, as in the program", () => {
    const page = readFileSync(join(import.meta.dirname, "../../docs/install.md"), "utf8");
    expect(page).toContain(panickingVersions);
  });
});

async function foundAt(version: string | undefined, options: FakeNomadOptions = {}, token?: string) {
  const cluster = recordedCluster();
  for (const node of cluster.nodes) {
    const attributes = node.Attributes as Json;
    if (version === undefined) delete attributes["nomad.version"];
    else attributes["nomad.version"] = version;
  }
  const nomad = await startNomad(cluster, options);
  onTestFinished(() => nomad.close());
  return findAgent({ NOMAD_ADDR: nomad.address, NOMAD_TOKEN: token });
}

describe("doctor --agent", () => {
  const state = { found: "/var/lib/x", checked: true, problem: undefined, quarantined: [] };
  const reportWith = (agent: Awaited<ReturnType<typeof findAgent>>) =>
    reportOn(goodHost, state, [], offersWith({ disk: { places: ["/"] } }), { agent });

  it("says what the agent's version lacks, though tasks can run", async () => {
    const report = reportWith(await foundAt("1.9.3"));
    expect(report).toMatchObject({ fit: true, problems: [{ what: expect.stringMatching(panics) }] });
    expect(report.checks.at(-1)).toMatchObject({ name: "agent", verdict: "limited", found: "Nomad 1.9.3" });
  });

  it("has no problem with an agent that was tried", async () => {
    const report = reportWith(await foundAt("1.10.5"));
    expect(report).toMatchObject({ fit: true, problems: [] });
    expect(report.checks.at(-1)).toMatchObject({ verdict: "fit", found: "Nomad 1.10.5" });
  });

  it("is a report, and no error, where no agent answers, it refuses, or is none", async () => {
    const none = await findAgent({ NOMAD_ADDR: "http://127.0.0.1:1" });
    expect(none.problem).toMatchObject({ what: expect.stringContaining("(connect: ECONNREFUSED)") });
    const refusing = await foundAt("1.10.5", { tokens: { known: [] } }, "secret-token");
    expect(refusing.problem?.remedy).toContain('agent {\n    policy = "read"\n}');
    const another = await foundAt("1.10.5", { trouble: () => "notNomad" });
    const tellsNone = await foundAt(undefined);
    const wrong = await findAgent({ NOMAD_ADDR: "ftp://x" });
    for (const each of [none, refusing, another, tellsNone, wrong]) {
      expect(each).toMatchObject({ found: "not known", version: undefined });
      expect(JSON.stringify(each)).not.toContain("secret-token");
      expect(reportWith(each).fit).toBe(true);
    }
  });
});
