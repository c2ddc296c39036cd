/**
 * The specs and checks of options, for the gRPC services. This module imports the schema library, so it is
 * loaded by the first call that needs it.
 */

import {
  type PluginOptions,
  parsePluginOptions,
  pluginOptionsSpec,
} from "../driver/options/pluginOptions.ts";
import { parseTaskOptions, type TaskOptions, taskOptionsSpec } from "../effects/parts.ts";
import { specOf } from "./convert/hclSpec.ts";
import { decodeMsgpack } from "./convert/msgpack.ts";

export const pluginSpec = specOf(pluginOptionsSpec);
export const taskSpec = () => specOf(taskOptionsSpec());

/** @throws DriverError `CONFIG_INVALID` */
export function readPluginOptions(bytes: Uint8Array): PluginOptions {
  return parsePluginOptions(decodeMsgpack(bytes));
}

/** @throws DriverError `CONFIG_INVALID` */
export function readTaskOptions(bytes: Uint8Array, plugin: PluginOptions): TaskOptions {
  return parseTaskOptions(decodeMsgpack(bytes), plugin);
}
