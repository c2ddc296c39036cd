/**
 * The parts of Nomad's answers that are read (developer.hashicorp.com/nomad/api-docs). Go writes empty lists and maps as
 * null. Pure.
 */
import { z } from "zod";

const texts = z.record(z.string(), z.string()).nullish();

const taskEvent = z.object({
  Type: z.string(),
  /** Nanoseconds since the epoch. */
  Time: z.number(),
  DisplayMessage: z.string().default(""),
  Details: texts,
  ExitCode: z.number().default(0),
  Signal: z.number().default(0),
});
export type TaskEventStub = z.infer<typeof taskEvent>;

const taskState = z.object({
  State: z.string(),
  Failed: z.boolean(),
  FinishedAt: z.string().nullish(),
  Events: z.array(taskEvent).nullish(),
});
export type TaskStateStub = z.infer<typeof taskState>;

export const allocationStub = z.object({
  ID: z.string(),
  Namespace: z.string(),
  JobID: z.string(),
  JobVersion: z.number(),
  TaskGroup: z.string(),
  /** Such as `web.group[2]`. */
  Name: z.string(),
  NodeID: z.string(),
  NodeName: z.string().default(""),
  ClientStatus: z.string(),
  ClientDescription: z.string().default(""),
  /** Nanoseconds since the epoch. */
  CreateTime: z.number(),
  ModifyTime: z.number(),
  TaskStates: z.record(z.string(), taskState).nullish(),
});
export type AllocationStub = z.infer<typeof allocationStub>;

const driverInfo = z.object({
  Detected: z.boolean().default(false),
  Healthy: z.boolean().default(false),
  HealthDescription: z.string().default(""),
  Attributes: texts,
});

/** `/v1/node/ID`; `/v1/nodes` lists the same with few attributes. */
export const nodeStub = z.object({
  ID: z.string(),
  Name: z.string(),
  Datacenter: z.string().default(""),
  NodeClass: z.string().default(""),
  NodePool: z.string().default(""),
  Status: z.string().default(""),
  StatusDescription: z.string().default(""),
  SchedulingEligibility: z.string().default(""),
  Drain: z.boolean().default(false),
  Attributes: texts,
  Meta: texts,
  Drivers: z.record(z.string(), driverInfo).nullish(),
});
export type NodeStub = z.infer<typeof nodeStub>;

export const jobStub = z.object({
  TaskGroups: z
    .array(z.object({ Tasks: z.array(z.object({ Name: z.string(), Driver: z.string() })).nullish() }))
    .nullish(),
});

/** The name by which jobs and nodes know this driver. */
export const driverName = "exec2";
