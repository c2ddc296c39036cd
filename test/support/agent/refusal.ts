/**
 * Checks a start that must fail: the agent's error, the events in the log, that the agent does not wait for the
 * ends of the task's logs, and that nothing is left.
 */
import { status } from "@grpc/grpc-js";
import { expect } from "vitest";
import type { TaskConfig } from "../../../src/grpc/generated/nomad/driver.ts";
import { errorOfCall } from "../../../src/grpc/status.ts";
import { eventsOf } from "../history/eventLog.ts";
import { eventually } from "../host/eventually.ts";
import { leftSince, nothingLeft, tracesOf } from "../plugin/pluginTraces.ts";
import { type Agent, type AgentOptions, runTask, startAgent, startTask } from "./agent.ts";
import { Allocation } from "./allocation.ts";
import { stopLogs } from "./taskClient.ts";

export interface Refusal {
  readonly code: string;
  readonly text: RegExp;
  readonly recoverable: boolean;
  /** Log pipes that never end, because they are not the agent's any more. Default: none. */
  readonly lateLogs?: readonly string[];
}

/**
 * An agent whose plugin has already started a task, because the first start loads modules and opens
 * descriptors that stay open.
 */
export async function startWarmAgent(options: AgentOptions): Promise<Agent> {
  const agent = await startAgent(options);
  const allocation = new Allocation();
  await runTask(agent, allocation.config("true"));
  await allocation.remove();
  return agent;
}

export async function expectRefusal(
  agent: Agent,
  config: TaskConfig,
  { code, text, recoverable, lateLogs = [] }: Refusal,
): Promise<void> {
  const before = tracesOf(agent);
  const thrown = await startTask(agent, config).catch((error) => error);
  expect(await stopLogs(config)).toEqual(lateLogs);
  const error = errorOfCall(thrown);
  expect(error).toMatchObject({ code, message: expect.stringMatching(text), recoverable });
  if (recoverable) expect(thrown.code).toBe(status.FAILED_PRECONDITION);
  // The history has the same error as its last event.
  const events = await eventsOf(agent.stateDir, config.id);
  const { message, summary, failed = null, hint = null } = error;
  expect(events.at(-1)).toMatchObject({ type: "startFailed", to: "failed" });
  expect(events.at(-1)?.data).toEqual({ code, message, summary, failed, hint, recoverable });
  await expect(agent.driver.inspectTask({ taskId: config.id })).rejects.toThrow("task not found");
  await eventually(() => expect(leftSince(before, agent)).toEqual(nothingLeft));
}
