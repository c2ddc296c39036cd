/** What is kept of an allocation. Pure. */
import { type Failure, failureOf } from "./failure.ts";
import type { AllocationStub } from "./stubs.ts";

export interface FleetAllocation {
  readonly id: string;
  readonly namespace: string;
  readonly job: string;
  readonly jobVersion: number;
  readonly group: string;
  /** Index of the instance in its group; null if Nomad does not say it. */
  readonly index: number | null;
  readonly node: string;
  readonly nodeName: string;
  /** Milliseconds since the epoch. */
  readonly createdMs: number;
  /** When it ended, or was last changed: milliseconds since the epoch; infinite while it runs well. */
  readonly lastMs: number;
  /** `good` runs or has completed; `other` is neither good nor failed, such as one that is lost with its node. */
  readonly status: "failed" | "good" | "other";
  /** Of one that failed. */
  readonly failure: Failure | undefined;
}

/** @param once returns the one text that all equal ones share, because many allocations have the same */
export function allocationOf(stub: AllocationStub, once: (text: string) => string): FleetAllocation {
  const failure = failureOf(stub);
  const { ClientStatus: status } = stub;
  const [, index] = /\[(\d+)\]$/.exec(stub.Name) ?? [];
  const isGood = status === "running" || status === "complete";
  return {
    id: stub.ID,
    namespace: once(stub.Namespace),
    job: once(stub.JobID),
    jobVersion: stub.JobVersion,
    group: once(stub.TaskGroup),
    index: index === undefined ? null : Number(index),
    node: once(stub.NodeID),
    nodeName: once(stub.NodeName),
    createdMs: stub.CreateTime / 1e6,
    lastMs: failure?.atMs ?? (status === "running" ? Number.POSITIVE_INFINITY : stub.ModifyTime / 1e6),
    status: failure !== undefined ? "failed" : isGood ? "good" : "other",
    failure,
  };
}

/** The job that a dispatched or periodic one was made of; the job itself if it was not. */
export function parentOf(job: string): string {
  return job.replace(/\/(?:dispatch|periodic)-[^/]*$/, "");
}

/** Equal for the allocations of one job, and of what was made of it. */
export function jobKey({ namespace, job }: Pick<FleetAllocation, "namespace" | "job">): string {
  return `${namespace}\0${parentOf(job)}`;
}
