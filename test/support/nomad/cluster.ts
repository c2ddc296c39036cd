/** Clusters for {@link startNomad}: the recorded one, and made ones of any size from a seed. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { randomFrom } from "../../../src/fleet/exactTest.ts";
import job from "../../fixtures/nomadApi/job.json" with { type: "json" };
import node from "../../fixtures/nomadApi/node.json" with { type: "json" };
import type { Cluster, Json } from "./fakeNomad.ts";

const recorded = readFileSync(join(import.meta.dirname, "../../fixtures/nomadApi/allocations.jsonl"), "utf8");

/** Jobs of the recording whose tasks had this driver, which is all of them. */
const driver = "exec2";

/** The cluster of one node from which the fixtures were recorded. */
export function recordedCluster(): Cluster {
  const allocations = recorded
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Json);
  const ids = new Set(
    allocations.map(({ JobID, Namespace }) => `${Namespace} ${String(JobID).split("/")[0]}`),
  );
  const jobs = [...ids].map((each) => {
    const [namespace = "", id = ""] = each.split(" ");
    return jobOf(id, namespace, driver);
  });
  return { allocations, nodes: [structuredClone(node)], jobs };
}

export function jobOf(id: string, namespace: string, taskDriver: string): Json {
  const text = JSON.stringify({ ...job, ID: id, Name: id, Namespace: namespace });
  return JSON.parse(
    text.replaceAll('"Driver":"exec2"', JSON.stringify({ Driver: taskDriver }).slice(1, -1)),
  ) as Json;
}

export interface MadeCluster {
  readonly seed: number;
  readonly nodes: number;
  readonly allocations: number;
  /** The share of allocations that fail, whatever node they are on. */
  readonly failing: number;
  /** What the nodes with these indexes have, and the share of their allocations that fails for it. */
  readonly planted?: {
    readonly nodes: readonly number[];
    readonly kernel: string | undefined;
    readonly failing: number;
  };
  readonly jobs?: readonly string[];
}

const kernels = ["6.1.90", "6.12.30", "6.12.41"];
const classes = ["", "small", "large"];
const cpus = ["AMD EPYC", "Intel Xeon"];

/** Nodes with kernels, classes and other attributes by chance, and allocations of which some fail. */
export function madeCluster({
  seed,
  nodes: count,
  allocations: many,
  failing,
  planted,
  jobs = ["web"],
}: MadeCluster): Cluster {
  const random = randomFrom(seed);
  const one = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T;
  const id = () => {
    const digits = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16)).join("");
    return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  };
  const nodes = Array.from({ length: count }, (_, index): Json => {
    const kernel = one(kernels);
    const own = planted?.nodes.includes(index) ? (planted.kernel ?? kernel) : kernel;
    const attributes = {
      ...node.Attributes,
      "kernel.version": own,
      "cpu.modelname": one(cpus),
      "os.version": one(["12.11", "13.1"]),
      "nomad.version": one(["1.10.5", "2.0.6"]),
      "driver.exec2.pressure": one(["true", "false"]),
      "driver.exec2.io.weight": one(["true", "false"]),
      "memory.totalbytes": String(Math.floor(random() * 1e12)),
      "unique.hostname": `client-${index}`,
    };
    const meta = { ...node.Meta, rack: `r${Math.floor(random() * 6)}` };
    const place = { Datacenter: one(["dc1", "dc2", "dc3"]), NodeClass: one(classes) };
    return {
      ...structuredClone(node),
      ...place,
      ID: id(),
      Name: `client-${index}`,
      Attributes: attributes,
      Meta: meta,
    };
  });
  const { allocations: samples } = recordedCluster();
  const sample = (name: string) => samples.find(({ JobID }) => JobID === name) as Json;
  const [failed, good] = [sample("denied"), sample("web")];
  const allocations = Array.from({ length: many }, (_, index): Json => {
    const at = Math.floor(random() * count);
    const on = nodes[at] as Json;
    const share = planted?.nodes.includes(at) ? Math.max(failing, planted.failing) : failing;
    const isFailed = random() < share;
    const jobId = one(jobs);
    const created = 1_796_000_000_000 + Math.floor(random() * 86_400_000);
    return {
      // All have the same task states: only messages in them name an allocation.
      ...(isFailed ? failed : good),
      ...{ ID: id(), JobID: jobId, Name: `${jobId}.g[${index % 40}]`, JobVersion: Math.floor(random() * 4) },
      ...{ NodeID: on.ID, NodeName: on.Name, CreateIndex: 10 + index, ModifyIndex: 10 + many },
      ...{ CreateTime: created * 1e6, ModifyTime: (created + 5_000) * 1e6 },
    };
  });
  return { allocations, nodes, jobs: jobs.map((each) => jobOf(each, "default", driver)) };
}
