/**
 * The specs and checks of options, for the gRPC services. This module imports the schema library, so it is
 * loaded by the first call that needs it.
 */
import {
  type PluginOptions,
  parsePluginOptions,
  pluginOptionsSpec,
} from "../config/options/pluginOptions.ts";
import { parseTaskOptions } from "../config/options/taskOptionRules.ts";
import { type TaskOptions, taskOptionsSpec } from "../config/options/taskOptions.ts";
import { lazy } from "../lazy.ts";
import { specOf } from "./convert/hclSpec.ts";
import { decodeMsgpack } from "./convert/msgpack.ts";

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
