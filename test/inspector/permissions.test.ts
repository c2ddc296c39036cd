/** A task's permissions: as rows, and from the API. */
import { describe, expect, it } from "vitest";
import type { TaskPolicy } from "../../src/history/policy/policy.ts";
import { type PermissionsView, permissionsView } from "../../src/inspector/views/permissionsView.ts";
import { life, sampleData } from "../support/history/history.ts";
import { begunAt as begun, recordObservedRuns, secretName } from "../support/history/observedRuns.ts";
import { idOf, startInspector } from "../support/screen/inspector.ts";

const policy: TaskPolicy = {
  ...{ namespace: "default", job: "shop", group: "site", task: "web" },
  ...{ runs: 412, from: begun, to: begun, unmet: [], smallest: {}, connects: [] },
  ...{ memoryBytes: null, processes: null },
  candidate: {
    file: "/etc/nomad.d/stricter.nomad.hcl",
    refused: [{ what: "r:/srv/shop/a-secret-name", runs: 1, lastAt: begun }],
    ...{ others: 2, unclear: [{ why: "it ran with another value of seccomp", runs: 3 }] },
  },
  gaps: [{ why: "it had not ended", runs: 1 }],
  entries: [
    { option: "unveil", entry: "rw:/srv/shop", runs: 3, lastAt: begun, smallest: "r:/srv/shop" },
    { option: "unveil", entry: "r:/srv/planted", runs: 0, lastAt: null, smallest: null },
  ],
};

describe("permissions", () => {
  it("have what was denied first, then what no run used, then what some used", () => {
    const view = permissionsView(policy, { denials: sampleData("denied") }, 2);
    expect(view.permissions.map(({ what, use, text }) => [what, use, text])).toEqual([
      [expect.stringMatching(/^reading /), "denied", "denied 2 times in this run"],
      ["r:/srv/planted", "unused", "never used in 412 runs"],
      ["rw:/srv/shop", "used", "used in 3 of 412 runs, last on 2026-11-01; r:/srv/shop is enough"],
    ]);
    expect(view.gaps).toEqual([
      "Of 1 run, not all is known: it had not ended",
      "2 earlier runs that were observed are left out",
    ]);
    expect(view.candidate).toBe(
      "The candidate /etc/nomad.d/stricter.nomad.hcl would have refused 3 things that runs used, and may refuse more (1 reason): policy names it",
    );
  });

  it("have none of a task that was never observed", () => {
    const view = permissionsView(undefined, { denials: { ...sampleData("denied"), refusals: [] } }, 0);
    expect(view).toEqual({ runs: 0, permissions: [], gaps: [], candidate: null });
  });
});

describe("the API's permissions", () => {
  it("are of all observed runs of the task, without the paths that these used", async () => {
    const inspected = await startInspector();
    const [first = "", second = ""] = await recordObservedRuns(inspected, 3);
    await inspected.record(idOf(9), life("ended"));
    const ask = async (id: string) => inspected.ask(`/api/permissions?id=${encodeURIComponent(id)}`);
    await expect.poll(async () => (await ask(idOf(9))).status).toBe(200);
    const { body } = await ask(second);
    const view = JSON.parse(body) as PermissionsView;
    expect(view.runs).toBe(3);
    expect(view.permissions.map(({ what, use }) => [what, use])).toEqual([
      ["r:/srv/planted", "unused"],
      ["r:/etc/mime.types", "used"],
      ["rw:/srv/shop", "used"],
    ]);
    expect(JSON.parse((await ask(first)).body).permissions[0]).toMatchObject({ use: "denied" });
    expect(body).not.toContain(secretName);
    expect((await ask("nothing")).status).toBe(404);
  });
});
