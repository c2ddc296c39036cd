/**
 * Reads the plugin's options for a local run from a file and the command line, and fits them to the plugin's
 * schema.
 */

import { resolve } from "node:path";
import { defaultStateDir } from "../../base/defaultStateDir.ts";
import { DriverError } from "../../base/errors.ts";
import type { Spec } from "../../grpc/generated/nomad/hclspec.ts";
import { type JobFile, jobFile, report, throwCollected } from "../jobspec/jobFile.ts";
import { type AttributeSpec, type FittedConfig, followSpec } from "../jobspec/resolve/driverConfig.ts";
import { asList, type Body, body, parseFile } from "../jobspec/syntax.ts";
import { readTextFile } from "./textFile.ts";

export interface LocalPluginConfig {
  /** The options by their HCL names, without `state_dir`. */
  readonly pluginConfig: Readonly<Record<string, unknown>>;
  readonly stateDir: string;
}

/**
 * Reads the options for a run.
 * @param path a file that holds the plugin's options, its `config` block, or the whole `plugin` block
 * @param options values from the command line, by option; they override the file
 */
export async function readPluginConfig(
  path: string | undefined,
  options: Readonly<Record<string, readonly string[]>> = {},
  stateDir?: string,
): Promise<LocalPluginConfig> {
  const fromFile = path === undefined ? {} : await readConfigFile(path);
  const overrides = Object.entries(options).map(([name, values]) => [
    name,
    values.length > 1 ? values : values[0],
  ]);
  // The caller is both the operator and the job's author, so tasks may unveil paths.
  const { state_dir, ...pluginConfig } = {
    unveil_by_task: true,
    ...fromFile,
    ...Object.fromEntries(overrides),
  };
  return { pluginConfig, stateDir: resolve(stateDir ?? String(state_dir ?? defaultStateDir)) };
}

/**
 * Converts options to the form in which the agent sends them: every option of the plugin, with its type.
 * @throws DriverError `CONFIG_INVALID` for options that the plugin does not have
 */
export function fitPluginOptions(
  options: Readonly<Record<string, unknown>>,
  specs: readonly AttributeSpec[],
): FittedConfig["config"] {
  const { config, mismatches } = followPluginSpec(options, specs);
  const [first] = mismatches;
  if (first === undefined) return config;
  const { attribute: option, message } = first;
  throw new DriverError("CONFIG_INVALID", `plugin option ${option}: ${message}`, { option });
}

/** Like {@link fitPluginOptions}, but also returns everything that does not fit. */
export function followPluginSpec(
  options: Readonly<Record<string, unknown>>,
  specs: readonly AttributeSpec[],
): FittedConfig {
  const lists = specs.filter(({ type }) => type.startsWith("list(")).map(({ name }) => name);
  // On the command line, a list with one value looks like a single value.
  const listed = Object.entries(options).map(([name, value]) => [
    name,
    typeof value === "string" && lists.includes(name) ? [value] : value,
  ]);
  return followSpec(Object.fromEntries(listed), specs);
}

/**
 * The plugin's options in a file: bare, in a `config` block, or in an agent's configuration.
 * The file collects the problem of a block with another name.
 * @returns undefined for an agent's configuration without a block for this driver
 */
export async function pluginOptionsIn(file: JobFile): Promise<Body | undefined> {
  const content = await parseFile(file);
  const plugins = asList(content.plugin).map((each) => body(file, "plugin", each));
  const own = plugins.find((each) => pluginName in each)?.[pluginName];
  if (own === undefined && isAgentConfig(content)) {
    if (plugins.some((each) => driverName in each)) {
      const message = "no plugin has this name: a plugin has the name of its executable";
      const hint = `Write plugin "${pluginName}"`;
      report(file, { place: `plugin.${driverName}`, message, hint });
    }
    return undefined;
  }
  const plugin = body(file, `plugin.${pluginName}`, own ?? content);
  return "config" in plugin ? body(file, "config", plugin.config) : plugin;
}

/** Whether this is an agent's configuration, and not a job. */
export function isAgentConfig(content: Body): boolean {
  return agentKeys.some((key) => key in content);
}

const pluginName = "nomad-driver-exec2";

/** The name for tasks. The block of a plugin has the name of its executable. */
const driverName = "exec2";

/** Keys of agents' configurations. No option of this driver has such a name. */
const agentKeys = "acl client consul data_dir plugin plugin_dir ports server telemetry tls vault".split(" ");

async function readConfigFile(path: string): Promise<Body> {
  const text = await readTextFile(path, "CONFIG_INVALID", "file of plugin options");
  const file = jobFile(path, text);
  const options = (await pluginOptionsIn(file)) ?? {};
  throwCollected(file);
  return options;
}

/** The attributes of a schema that is one object. Skips kinds of spec that this driver does not use. */
export function attributeSpecs(schema: Spec | undefined): AttributeSpec[] {
  const block = schema?.block;
  if (block?.$case !== "object") return [];
  return [...block.value.attributes.values()].flatMap((spec) => attributeSpec(spec) ?? []);
}

function attributeSpec({ block }: Spec): AttributeSpec | undefined {
  if (block?.$case === "Attr") return block.value;
  if (block?.$case !== "default" || !block.value.primary) return undefined;
  const primary = attributeSpec(block.value.primary);
  const fallback = block.value.default?.block;
  return primary && { ...primary, default: fallback?.$case === "literal" ? fallback.value.value : undefined };
}
