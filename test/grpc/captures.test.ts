import { from, of } from "rxjs";
import { describe, expect, test } from "vitest";
import type { DriverPort, TaskUsage } from "../../src/driver/driverPort.ts";
import type { Callers } from "../../src/grpc/callers.ts";
import {
  type DriverService,
  type FingerprintResponse,
  type StartTaskRequest,
  type StartTaskResponse,
  type TaskConfigSchemaResponse,
  TaskState,
  type TaskStatsResponse,
  type WaitTaskResponse,
} from "../../src/grpc/generated/nomad/driver.ts";
import type { Spec } from "../../src/grpc/generated/nomad/hclspec.ts";
import {
  type CapturedCall,
  type CapturedMessage,
  capturedCalls,
  capturedMessages,
  captureNames,
} from "../support/agent/captures.ts";
import { fakeDriver } from "../support/plugin/fakeDriver.ts";
import { type ServedInProcess, serveInProcess } from "../support/plugin/serveInProcess.ts";

describe.each(captureNames)("%s", (name) => {
  test("every message decodes, and encodes to the same bytes again", () => {
    for (const message of capturedMessages(name)) {
      const { decode, encode } = codecOf(message);
      const decoded = decode(message.bytes);
      const again = encode(decoded);
      expect(decode(again)).toEqual(decoded);
      // Go writes an empty value in a map, and this encoder omits it; both mean the same.
      if (!hasEmptyValue(decoded)) expect(again.equals(message.bytes), message.method.path).toBe(true);
    }
  });

  test("every recorded request gets the recorded answer", async () => {
    const calls = capturedCalls(name);
    for (const launch of new Set(calls.map((call) => call.launch))) {
      const recorded: { call?: CapturedCall } = {};
      const served = await serveInProcess(driverThatRepeats(recorded));
      for (const call of calls.filter((each) => each.launch === launch)) {
        recorded.call = call;
        await expectSameAnswer(served, call);
      }
    }
  });
});

/** Answers as the recorded driver did. */
function driverThatRepeats(recorded: { call?: CapturedCall }): DriverPort {
  const answer = <Message>() => recorded.call?.responses[0] as Message;
  return fakeDriver({
    startTask: async () => {
      const { handle } = answer<StartTaskResponse>();
      return {
        driverState: handle?.driverState ?? Buffer.alloc(0),
        env: Object.fromEntries(handle?.config?.env ?? []),
      };
    },
    taskStats: async () =>
      from((recorded.call?.responses ?? []).map((response) => usageOf(response as TaskStatsResponse))),
    waitTask: async () => answer<WaitTaskResponse>().result ?? expect.fail("recorded without a result"),
    fingerprints: () => {
      const { attributes, healthDescription } = answer<FingerprintResponse>();
      const plain = [...attributes].map(([key, { value }]) => [key, value?.value]);
      return of({ attributes: Object.fromEntries(plain), health: "healthy", description: healthDescription });
    },
  });
}

async function expectSameAnswer({ base, driver }: ServedInProcess, call: CapturedCall): Promise<void> {
  const { method, request, responses } = call;
  const [recorded] = responses;
  switch (method) {
    case "PluginInfo":
      expect(await base.pluginInfo({})).toEqual({
        ...(recorded as object),
        pluginVersion: expect.any(String),
      });
      break;
    case "ConfigSchema":
      expectSameAttributes((await base.configSchema({})).spec, recorded);
      break;
    case "SetConfig":
      expect(await base.setConfig(request as never)).toEqual(recorded);
      break;
    case "TaskConfigSchema":
      expectSameAttributes((await driver.taskConfigSchema({})).spec, recorded);
      break;
    case "Capabilities": {
      // The recorded driver did not say that it supports no mounts, and had the modes in another order.
      const { capabilities } = await driver.capabilities({});
      const { capabilities: theirs } = recorded as { capabilities: NonNullable<typeof capabilities> };
      expect(new Set(capabilities?.networkIsolationModes)).toEqual(new Set(theirs.networkIsolationModes));
      const networkIsolationModes = capabilities?.networkIsolationModes;
      expect(capabilities).toEqual({ ...theirs, networkIsolationModes, mountConfigs: 1 });
      break;
    }
    case "Fingerprint":
      expect(await driver.fingerprint({}).toArray()).toEqual([recorded]);
      break;
    case "TaskStats":
      await expectSameStats(await driver.taskStats(request as never).toArray(), responses);
      break;
    case "StartTask": {
      // The recorded driver left the state unset.
      const { handle, ...rest } = recorded as StartTaskResponse;
      const running = { ...rest, handle: { ...handle, state: TaskState.RUNNING } };
      expect(await driver.startTask(request as never)).toEqual(running);
      break;
    }
    default: {
      const caller = driver[lowerFirst(method) as UnaryTaskMethod] as (request: unknown) => Promise<unknown>;
      expect(await caller(request)).toEqual(recorded);
    }
  }
}

/**
 * Expects the recorded figures, and all fields that the recorded driver lists as measured. That driver
 * neither names the task nor lists the ticks as measured.
 */
function expectSameStats(ours: readonly TaskStatsResponse[], recorded: readonly unknown[]): void {
  expect(ours.length).toBe(recorded.length);
  for (const [index, { stats }] of ours.entries()) {
    const { cpu, memory } = (recorded[index] as TaskStatsResponse).stats?.aggResourceUsage ?? {};
    const measured = (fields: readonly number[] = []) => expect.arrayContaining([...fields]);
    expect(stats?.aggResourceUsage).toEqual({
      cpu: {
        ...cpu,
        percent: expect.closeTo(cpu?.percent ?? 0),
        measuredFields: measured(cpu?.measuredFields),
      },
      memory: { ...memory, measuredFields: measured(memory?.measuredFields) },
    });
  }
}

/** The recorded figures in the driver's own form. */
function usageOf({ stats }: TaskStatsResponse): TaskUsage {
  const { cpu, memory } = stats?.aggResourceUsage ?? {};
  return {
    timeMs: 0,
    processes: new Map(),
    total: {
      cpu: {
        userPercent: cpu?.userMode ?? 0,
        systemPercent: cpu?.systemMode ?? 0,
        mhz: cpu?.totalTicks ?? 0,
        throttled: { periods: cpu?.throttledPeriods ?? 0, us: (cpu?.throttledTime ?? 0) / 1000 },
      },
      memory: {
        rss: memory?.rss,
        cache: memory?.cache,
        kernelUsage: memory?.kernelUsage,
        usage: memory?.usage,
        swap: memory?.swap,
      },
    },
  };
}

type UnaryTaskMethod = Exclude<keyof Callers<DriverService>, "execTaskStreaming">;

/** The recorded driver's options are ours too, with the same types. */
function expectSameAttributes(ours: Spec | undefined, recorded: unknown): void {
  const theirs = attributesOf((recorded as TaskConfigSchemaResponse).spec);
  expect(attributesOf(ours)).toEqual(new Map([...attributesOf(ours), ...theirs]));
}

/** Each attribute's type and whether it is required, with or without a default. */
function attributesOf(spec: Spec | undefined): Map<string, unknown> {
  if (spec?.block?.$case !== "object") return expect.fail("not an object spec");
  return new Map([...spec.block.value.attributes].map(([name, attribute]) => [name, attrOf(attribute)]));
}

function attrOf({ block }: Spec): unknown {
  return block?.$case === "default" && block.value.primary ? attrOf(block.value.primary) : block;
}

function codecOf({ method, dir }: CapturedMessage) {
  return dir === "request"
    ? { decode: method.requestDeserialize, encode: method.requestSerialize }
    : { decode: method.responseDeserialize, encode: method.responseSerialize };
}

function hasEmptyValue(message: unknown): boolean {
  const { task, handle } = message as StartTaskRequest & StartTaskResponse;
  return [...((task ?? handle?.config)?.env.values() ?? [])].includes("");
}

function lowerFirst(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}
