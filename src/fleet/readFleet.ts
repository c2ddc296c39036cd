/** Reads what Nomad knows of a job's allocations, or of all, and of their nodes. Keeps little of each. */
import { z } from "zod";
import { DriverError } from "../base/errors.ts";
import { allocationOf, type FleetAllocation, jobKey, parentOf } from "./allocation.ts";
import type { NomadApi } from "./nomadApi.ts";
import { allocationStub, driverName, jobStub, type NodeStub, nodeStub } from "./stubs.ts";

export interface Fleet {
  readonly allocations: readonly FleetAllocation[];
  readonly nodes: ReadonlyMap<string, NodeStub>;
  /** The index after which {@link waitForChange} waits. */
  readonly index: number;
  /** What the answer lacks, for people. */
  readonly notes: readonly string[];
}

export interface Progress {
  readonly what: "allocations" | "nodes" | "jobs";
  readonly done: number;
  /** Of the whole, between 0 and 1. */
  readonly share: number;
}

const pageSize = 500;
/** Answers of single nodes and jobs that are waited for at once. */
const atOnce = 8;

const allocationsPath = "/v1/allocations";
const page = z.array(allocationStub);

/**
 * @param job its id; its dispatched and periodic children count as its own. Undefined for all jobs, of which only
 *   failures of this driver's tasks count
 * @throws DriverError `NOMAD_UNREACHABLE`, `NOMAD_REFUSED`, `NOMAD_FAILED`
 */
export async function readFleet(
  api: NomadApi,
  job: string | undefined,
  onProgress: (progress: Progress) => void = () => {},
): Promise<Fleet> {
  const read = await readAllocations(api, job, onProgress);
  if (read.allocations.length === 0 && job !== undefined) await requireJob(api, job);
  const allocations =
    job === undefined ? await ofThisDriver(api, read.allocations, onProgress) : read.allocations;
  const compared = allocations.some(({ status }) => status === "failed") ? allocations : [];
  const ids = [...new Set(compared.map(({ node }) => node))];
  const { nodes, notes } = await readNodes(api, ids, onProgress);
  return { allocations, nodes, index: read.index, notes: [...read.notes, ...notes] };
}

/** Waits until Nomad knows of something new about allocations. */
export async function waitForChange(api: NomadApi, { index }: Pick<Fleet, "index">): Promise<void> {
  // The index is that of all allocations, and one of them is enough to learn it.
  await api.changed(allocationsPath, z.array(z.unknown()), { per_page: "1", task_states: "false" }, index);
}

async function readAllocations(
  api: NomadApi,
  job: string | undefined,
  onProgress: (progress: Progress) => void,
) {
  const allocations: FleetAllocation[] = [];
  const shared = new Map<string, string>();
  const once = (text: string) => {
    const known = shared.get(text);
    if (known === undefined) shared.set(text, text);
    return known ?? text;
  };
  let [index, hasLeader] = [0, true];
  const query = { per_page: String(pageSize), task_states: "true", filter: job && filterFor(job) };
  for await (const answer of api.pages(allocationsPath, page, query)) {
    // What changes while the pages are read is new.
    index ||= answer.index;
    hasLeader &&= answer.hasLeader;
    for (const stub of answer.body) allocations.push(allocationOf(stub, once));
    const { nextToken } = answer;
    // Pages are in the order in which allocations were created, and their tokens begin with the index of it.
    const share = nextToken === undefined ? 1 : Number.parseInt(nextToken, 10) / Math.max(1, answer.index);
    onProgress({ what: "allocations", done: allocations.length, share: Number.isNaN(share) ? 0 : share });
  }
  const notes = hasLeader
    ? []
    : ["The server that answered knows of no leader: newer failures may be missing"];
  return { allocations, index, notes };
}

/**
 * The job itself, and what Nomad made of it at a dispatch or at its time. A text in backticks has no escapes (the
 * grammar of hashicorp/go-bexpr).
 */
function filterFor(job: string): string {
  const id = job.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&").replaceAll("`", "\\x60");
  return `JobID matches \`^${id}(/(dispatch|periodic)-.*)?$\``;
}

async function requireJob(api: NomadApi, job: string): Promise<void> {
  const path = `/v1/job/${encodeURIComponent(job)}`;
  const { namespace } = api.address;
  if (namespace === "*" || (await api.find(path, jobStub)) !== undefined) return;
  throw new DriverError("NOMAD_FAILED", `Nomad has no job ${JSON.stringify(job)} in namespace ${namespace}`, {
    hint: "--namespace '*' looks in all namespaces",
  });
}

/** The allocations without those in which tasks of other drivers failed. */
async function ofThisDriver(
  api: NomadApi,
  allocations: readonly FleetAllocation[],
  onProgress: (progress: Progress) => void,
): Promise<FleetAllocation[]> {
  const asked = new Map(
    allocations.flatMap((each) => {
      const unknown = each.failure !== undefined && each.failure.isExec2 === undefined;
      return unknown ? [[jobKey(each), { namespace: each.namespace, job: parentOf(each.job) }] as const] : [];
    }),
  );
  const drivers = new Map<string, ReadonlyMap<string, string>>();
  await forEachOf([...asked], async ([key, { namespace, job }]) => {
    const found = await api.find(`/v1/job/${encodeURIComponent(job)}`, jobStub, { namespace });
    const tasks = (found?.TaskGroups ?? []).flatMap(({ Tasks }) => Tasks ?? []);
    drivers.set(key, new Map(tasks.map(({ Name, Driver }) => [Name, Driver])));
    onProgress({ what: "jobs", done: drivers.size, share: drivers.size / asked.size });
  });
  return allocations.filter((each) => {
    const { failure } = each;
    if (failure === undefined || failure.isExec2 === true) return true;
    const tasks = drivers.get(jobKey(each));
    if (failure.task === null) return [...(tasks?.values() ?? [])].includes(driverName);
    return tasks?.get(failure.task) === driverName;
  });
}

async function readNodes(
  api: NomadApi,
  ids: readonly string[],
  onProgress: (progress: Progress) => void,
): Promise<Pick<Fleet, "nodes" | "notes">> {
  const nodes = new Map<string, NodeStub>();
  let [done, missing] = [0, 0];
  try {
    await forEachOf(ids, async (id) => {
      const node = await api.find(`/v1/node/${id}`, nodeStub);
      if (node === undefined) missing += 1;
      else nodes.set(id, node);
      done += 1;
      onProgress({ what: "nodes", done, share: done / ids.length });
    });
  } catch (thrown) {
    if (!(thrown instanceof DriverError) || thrown.code !== "NOMAD_REFUSED") throw thrown;
    const note =
      'The token may not read nodes, so their kernels, classes and attributes are not compared: its policy lacks node { policy = "read" }';
    return { nodes: new Map(), notes: [note] };
  }
  const note = `Nomad no longer knows ${missing} of ${ids.length} nodes, whose attributes are not compared`;
  return { nodes, notes: missing === 0 ? [] : [note] };
}

/** The nodes of the region, with all their attributes. */
export async function readAllNodes(
  api: NomadApi,
  onProgress: (progress: Progress) => void = () => {},
): Promise<NodeStub[]> {
  const { body } = await api.get("/v1/nodes", z.array(nodeStub.pick({ ID: true })));
  const nodes: NodeStub[] = [];
  await forEachOf(body, async ({ ID }) => {
    const node = await api.find(`/v1/node/${ID}`, nodeStub);
    if (node !== undefined) nodes.push(node);
    onProgress({ what: "nodes", done: nodes.length, share: nodes.length / body.length });
  });
  return nodes;
}

/** Does the work for each item, for a few of them at once. */
async function forEachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const item of left) await work(item);
    }),
  );
}
