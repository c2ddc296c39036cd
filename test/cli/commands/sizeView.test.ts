/** The text of `size`. */
import { expect, it } from "vitest";
import { sizesText } from "../../../src/cli/commands/size/sizeView.ts";
import { styleOf } from "../../../src/cli/terminal/style.ts";
import type { TaskSizing } from "../../../src/history/size/sizing.ts";

const day = 86_400_000;
const sizing: TaskSizing = {
  ...{ namespace: "default", job: "shop", group: "web", task: "http" },
  runs: { count: 412, going: 0, whole: 412, killed: 0 },
  ...{ from: 20_000 * day, to: 20_014 * day },
  memory: {
    ...{ reserved: 600, proposed: 256, used: { runs: 412, p50: 180, p90: 205.2, p99: 212, most: 213 } },
    notes: ["With 256 MiB, none of the 412 runs would have been killed"],
  },
  cpu: { reserved: 500, proposed: null, used: { runs: 2, p50: 1, p90: 2, p99: 2, most: 2 }, notes: [] },
  throttled: { runs: 0, mostMs: 0 },
  ...{ memoryWaiting: 0.05, stalls: 3, thin: [] },
  disk: { most: 120 * 2 ** 20, limit: 300 * 2 ** 20 },
  processes: { most: 41, limit: 4096 },
};

it("has the lines of the job file that change, and what they rest on", () => {
  const text = sizesText([sizing], 0.2, styleOf(false), Number.POSITIVE_INFINITY);
  expect(text.split("\n")).toEqual([
    expect.stringMatching(/^http of group web, job shop: 412 runs, 2024-10-0\d to 2024-10-1\d$/),
    "",
    "  resources {",
    "-   memory = 600",
    "+   memory = 256",
    "  }",
    "",
    "memory     p50 180, p90 205, p99 212, at most 213 MiB in 412 runs; 600 MiB reserved. With 256 MiB, none of the 412 runs would have been killed.",
    "           Some of its processes waited for memory up to 5 % of a run.",
    "cpu        at most 2 MHz in 2 runs; 500 MHz reserved.",
    "disk       At most 120 of 300 MiB in its folders.",
    "processes  At most 41 of 4,096 in a sample.",
    "stalls     Recorded 3 times.",
    "headroom   20 % more than the most that was used.",
  ]);
});

it("has no lines of a job file if none changes, and says that the evidence is thin", () => {
  const memory = { reserved: 600, proposed: null, used: null, notes: ["Memory was not measured"] };
  const nothing = { cpu: null, disk: { most: null, limit: null }, processes: { most: null, limit: null } };
  const text = sizesText(
    [{ ...sizing, ...nothing, memory, memoryWaiting: null, stalls: 0, namespace: "eu", thin: ["2 runs"] }],
    0.2,
    styleOf(false),
    Number.POSITIVE_INFINITY,
  );
  expect(text).toContain("job shop in namespace eu: 412 runs");
  expect(text.split("\n").slice(1)).toEqual([
    "",
    "memory  600 MiB reserved. Memory was not measured.",
    "The evidence is thin: 2 runs.",
  ]);
});

it("shows both attributes in line", () => {
  const cpu = { reserved: 500, proposed: 120, used: null, notes: [] };
  const text = sizesText([{ ...sizing, cpu }], 0.2, styleOf(false), Number.POSITIVE_INFINITY);
  expect(text).toContain("-   cpu    = 500\n+   cpu    = 120\n-   memory = 600\n+   memory = 256\n");
});
