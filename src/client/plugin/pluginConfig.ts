/** Reads the plugin's options for a local run from a file and the command line. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { defaultStateDir } from "../../config/options/defaultStateDir.ts";
import { DriverError } from "../../errors.ts";
import { type Body, body } from "../../jobspec/body.ts";
import { type AttributeSpec, ConfigMismatch, followSpec } from "../../jobspec/driverConfig.ts";
import { type JobFile, jobFile } from "../../jobspec/jobFile.ts";
import { parseHcl } from "../../jobspec/syntax.ts";

export interface LocalPluginConfig {
  /** The options by their HCL names, without `state_dir`. */
  readonly pluginConfig: Readonly<Record<string, unknown>>;
  readonly stateDir: string;
}

/**
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
 * Converts options to the form in which the agent sends them: every option of the plugin, in its type.
 * @throws DriverError `CONFIG_INVALID` for options that the plugin does not have
 */
export function fitPluginOptions(
  options: Readonly<Record<string, unknown>>,
  specs: readonly AttributeSpec[],
): Record<string, unknown> {
  const lists = specs.filter(({ type }) => type.startsWith("list(")).map(({ name }) => name);
  // On the command line, a list with one value looks like a single value.
  const listed = Object.entries(options).map(([name, value]) => [
    name,
    typeof value === "string" && lists.includes(name) ? [value] : value,
  ]);
  try {
    return followSpec(Object.fromEntries(listed), specs);
  } catch (thrown) {
    if (!(thrown instanceof ConfigMismatch)) throw thrown;
    const { attribute: option, message } = thrown;
    throw new DriverError("CONFIG_INVALID", `plugin option ${option}: ${message}`, { option });
  }
}

/** The plugin's options in a file: bare, in a `config` block, or in the whole `plugin` block of an agent. */
export async function pluginOptionsIn(file: JobFile): Promise<Body> {
  const content = await parseHcl(file);
  const plugins = body(file, "plugin", content.plugin);
  const plugin = body(file, "plugin", plugins["nomad-driver-exec2"] ?? content);
  return "config" in plugin ? body(file, "config", plugin.config) : plugin;
}

async function readConfigFile(path: string): Promise<Body> {
  try {
    return await pluginOptionsIn(jobFile(path, await readFile(path, "utf8")));
  } catch (thrown) {
    throw DriverError.from(thrown, "CONFIG_INVALID", "the plugin's options cannot be read");
  }
}
