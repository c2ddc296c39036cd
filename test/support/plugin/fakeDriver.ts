/** A driver and a run without a kernel. */

import { NEVER } from "rxjs";
import { DriverError } from "../../../src/base/errors.ts";
import { Secrets } from "../../../src/base/masking.ts";
import type { Capabilities, DriverPort, ExitResult } from "../../../src/driver/driverPort.ts";
import type { Run } from "../../../src/driver/run/run.ts";
import { type EffectName, effectNames, taskMachine } from "../../../src/machines/taskMachine.ts";

const fakeCapabilities: Capabilities = {
  sendSignals: true,
  exec: false,
  fsIsolation: "unveil",
  networkModes: ["host", "group", "none"],
  mountConfigs: "none",
  disableLogCollection: false,
  dynamicWorkloadUsers: true,
};

export const exitedWith = (exitCode: number): ExitResult => ({ exitCode, signal: 0, oomKilled: false });

type Call = { [Method in keyof DriverPort]: [Method, ...Parameters<DriverPort[Method]>] }[keyof DriverPort];

export interface FakeDriver extends DriverPort {
  /** The calls with their arguments, in order. */
  readonly calls: Call[];
}

/**
 * A driver to test the gRPC layer. It knows every task, and reports at once that each task has ended with
 * exit code 0. `behaviour` replaces methods.
 */
export function fakeDriver(behaviour: Partial<DriverPort> = {}): FakeDriver {
  const calls: Call[] = [];
  const driver: DriverPort = {
    configure: async () => {},
    agentArrived: () => {},
    capabilities: () => fakeCapabilities,
    fingerprints: () => NEVER,
    startTask: async ({ env }) => ({ driverState: Buffer.from("state"), env: { ...env, USER: "nobody" } }),
    recoverTask: async () => {},
    waitTask: async () => exitedWith(0),
    stopTask: async () => {},
    destroyTask: async () => {},
    inspectTask: async (taskId) => ({
      taskId,
      taskName: "main",
      state: "running",
      startedAtMs: 1_500,
      completedAtMs: undefined,
      exit: undefined,
      attributes: { pid: "7" },
    }),
    signalTask: async () => {},
    taskStats: async () => NEVER,
    exec: async () => {
      throw new DriverError("TASK_NOT_RUNNING", "not running");
    },
    execTask: async () => ({
      stdout: Buffer.from("out"),
      stderr: Buffer.from("err"),
      exit: exitedWith(0),
    }),
    recordOperator: async () => {},
    changeEgress: async () => ({ allowed: [], added: [], removed: [] }),
    taskEvents: () => NEVER,
    shutdown: async () => {},
    ...behaviour,
  };
  const recorded = Object.entries(driver).map(([method, call]) => [
    method,
    (...args: unknown[]) => {
      calls.push([method, ...args] as Call);
      return call(...args);
    },
  ]);
  return { ...(Object.fromEntries(recorded) as DriverPort), calls };
}

export const unknownTask = () => Promise.reject(new DriverError("TASK_NOT_FOUND", "no such task"));

/** A run without a host, whose actions do what the test decides. */
export function runThat(does: (effect: EffectName) => void): Run {
  const actions = Object.fromEntries(effectNames.map((effect) => [effect, () => does(effect)]));
  return {
    machine: taskMachine.provide({ actions }),
    execute: async ({ info, exec }) => exec?.(info, undefined),
    secrets: Secrets.none,
  } as Pick<Run, "machine" | "execute" | "secrets"> as Run;
}
