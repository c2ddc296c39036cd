/**
 * The specs, encoding and checks of options, for the gRPC services. Agents send options as MessagePack maps.
 * This module imports the schema library, so it is loaded by the first call that needs it.
 */

import { Packr, Unpackr } from "msgpackr";
import { DriverError } from "../base/errors.ts";
import {
  type PluginOptions,
  parsePluginOptions,
  pluginOptionsSpec,
} from "../driver/options/pluginOptions.ts";
import { type LogDestination, logDestination } from "../effects/logs/options.ts";
import type { HclSpec } from "../effects/options/hclOptions.ts";
import { lazy, parseTaskOptions, type TaskOptions, taskOptionsSpec } from "../effects/parts.ts";
import type { TaskConfig } from "./generated/nomad/driver.ts";
import type { Spec } from "./generated/nomad/hclspec.ts";

export const pluginSpec = specOf(pluginOptionsSpec);
export const taskSpec = lazy(() => specOf(taskOptionsSpec()));

/** @throws DriverError `CONFIG_INVALID` */
export function readPluginOptions(bytes: Uint8Array): PluginOptions {
  return parsePluginOptions(decodeMsgpack(bytes));
}

/** @throws DriverError `CONFIG_INVALID` */
export function readTaskOptions(bytes: Uint8Array, plugin: PluginOptions): TaskOptions {
  return parseTaskOptions(decodeMsgpack(bytes), plugin);
}

/** What the options of a task and of the plugin make of a request. */
export interface SettledTask extends LogDestination {
  readonly options: TaskOptions;
}

/** @throws DriverError `CONFIG_INVALID` */
export function settleTask(config: TaskConfig, plugin: PluginOptions): SettledTask {
  const options = readTaskOptions(config.msgpackDriverConfig, plugin);
  const { name: taskName, parentJobId, jobId } = config;
  const request = { ...config, taskName, jobId: parentJobId || jobId };
  return { options, ...logDestination(request, options, plugin) };
}

/** Plain MessagePack, without the library's own extensions. */
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });
const packr = new Packr({ useRecords: false });

/**
 * @returns undefined if there are no bytes
 * @throws DriverError `CONFIG_INVALID` for bytes that are not one MessagePack value
 */
export function decodeMsgpack(bytes: Uint8Array): unknown {
  if (bytes.length === 0) return undefined;
  try {
    return unpackr.unpack(bytes);
  } catch (cause) {
    throw new DriverError("CONFIG_INVALID", "the options are not valid MessagePack", { cause });
  }
}

/** Encodes options as an agent does. Leaves out undefined values. */
export function encodeMsgpack(options: Readonly<Record<string, unknown>>): Buffer {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return packr.pack(Object.fromEntries(entries));
}

/** Converts the hclspec of options to its protobuf message. */
export function specOf(spec: HclSpec): Spec {
  switch (spec.kind) {
    case "object": {
      const entries = Object.entries(spec.attributes).map(([key, nested]) => [key, specOf(nested)] as const);
      return { block: { $case: "object", value: { attributes: new Map(entries) } } };
    }
    case "attr": {
      const { name, type, required } = spec;
      return { block: { $case: "Attr", value: { name, type, required } } };
    }
    case "default": {
      const literal: Spec = { block: { $case: "literal", value: { value: spec.literal } } };
      return { block: { $case: "default", value: { primary: specOf(spec.primary), default: literal } } };
    }
  }
}
