/**
 * Ways around `egress`: each reaches an address of another network without limits, and none does with a list that
 * lacks the address. The processes run as root and without a filter, so only the programs of the cgroup refuse.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { EgressControl } from "../../src/effects/egress/egressControl.ts";
import { TestCgroup } from "../support/host/testCgroup.ts";

const script = fileURLToPath(new URL("../fixtures/egress/ways.py", import.meta.url));
const [four, six] = ["192.0.2.1", "2001:db8::1"];

/** In a network of its own, where the addresses are this machine's. */
const network = `
  ip link set lo up && ip addr add ${four}/32 dev lo && ip addr add ${six}/128 dev lo nodad &&
  echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range && echo 3 > /proc/sys/net/ipv4/tcp_fastopen &&
  exec python3 "$0" ${four} ${six} "$1"`;

/** The outcome of each way: `worked`, or why not. */
async function outcomesWith(egress: readonly string[] | undefined): Promise<Record<string, string>> {
  const cgroup = new TestCgroup(`exec2-ways-${process.pid}-${egress?.length ?? "free"}`);
  using control = new EgressControl({ runnerFolder: undefined, onProblem: () => undefined });
  try {
    if (egress !== undefined) {
      control.confine(cgroup.path, { egress, egressDenied: [], names: new Map() }, () => undefined);
    }
    const { stdout, stderr } = spawnSync("unshare", ["-n", "sh", "-c", network, script, cgroup.path], {
      encoding: "utf8",
      timeout: 100_000,
    });
    if (stdout === "") throw new Error(stderr);
    return JSON.parse(stdout);
  } finally {
    await cgroup.remove();
  }
}

/** What this machine's kernel may lack. */
const mayLack = /Protocol not supported|Socket type not supported/;

describe("ways around egress", () => {
  let free: Record<string, string> = {};
  let limited: Record<string, string> = {};
  let listed: Record<string, string> = {};

  beforeAll(async () => {
    free = await outcomesWith(undefined);
    limited = await outcomesWith(["10.0.0.0/8", "[2001:db8:1::/48]:443"]);
    listed = await outcomesWith([four, six, "224.0.0.0/4"]);
  }, 300_000);

  it("are more than forty, and each leads to the address of a task without limits", () => {
    const failed = Object.entries(free).filter(([, how]) => how !== "worked" && !mayLack.test(how));
    expect(failed).toEqual([]);
    expect(Object.values(free).filter((how) => how === "worked").length).toBeGreaterThan(40);
  });

  it("lead nowhere from a task whose list lacks the address", () => {
    expect(Object.keys(limited)).toEqual(Object.keys(free));
    expect(
      Object.entries(limited).filter(([, how]) => how === "worked" || how === "nothing arrived"),
    ).toEqual([]);
  });

  it("lead to the address from a task that has it in its list, if they are ways of TCP and UDP", () => {
    const refused = Object.entries(listed).flatMap(([name, how]) => (how === "worked" ? [] : [name]));
    expect(
      refused.filter((name) => !/UDP-Lite|raw|ping|SCTP|source route|routing header/.test(name)),
    ).toEqual([]);
    expect(refused.filter((name) => /UDP-Lite|raw|ping/.test(name)).length).toBeGreaterThan(8);
  });
});
