/** What the cases read of Nomad's answers beside {@link allocationStub}, and what task events say. Pure. */
import { z } from "zod";
import { allocationStub, type TaskStateStub } from "../../../src/fleet/stubs.ts";

export const keys = z.array(z.object({ KeyID: z.string() })).nullish();
export const allocations = z.array(allocationStub);

/** `/v1/client/allocation/ID/stats`. */
export const statistics = z.object({
  ResourceUsage: z.object({
    MemoryStats: z.object({ Measured: z.array(z.string()).nullish() }),
    CpuStats: z.object({ Measured: z.array(z.string()).nullish(), TotalTicks: z.number() }),
  }),
});

/** A message of `alloc exec`. Data is in base64. */
export const execMessage = z.object({
  stdout: z.object({ data: z.string().optional() }).nullish(),
  stderr: z.object({ data: z.string().optional() }).nullish(),
  exited: z.boolean().nullish(),
  result: z.object({ exit_code: z.number().default(0) }).nullish(),
});

export interface TaskEnd {
  readonly exitCode: number;
  readonly signal: number;
  /** Whether Nomad calls the task failed. */
  readonly failed: boolean;
  /** Types of its events, the oldest first, and their messages. */
  readonly events: readonly string[];
  readonly messages: string;
}

/** @returns undefined if the task has not ended for good */
export function endOf(state: TaskStateStub | undefined): TaskEnd | undefined {
  if (state?.State !== "dead") return undefined;
  const events = state.Events ?? [];
  const last = events.findLast(({ Type }) => Type === "Terminated");
  return {
    exitCode: last?.ExitCode ?? 0,
    signal: last?.Signal ?? 0,
    failed: state.Failed,
    events: events.map(({ Type }) => Type),
    messages: events.map(({ DisplayMessage }) => DisplayMessage).join("\n"),
  };
}

/** How often a task has begun, as far as its last ten events tell. */
export function startsOf(state: TaskStateStub | undefined): number {
  return (state?.Events ?? []).filter(({ Type }) => Type === "Started").length;
}
