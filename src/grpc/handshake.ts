/**
 * go-plugin's handshake: the agent sets variables in the plugin's environment, and the plugin prints one line
 * with the address of its socket. Pure.
 */
import { DriverError } from "../base/errors.ts";

/** An environment variable that marks a launch by Nomad. It is no secret. */
const magicCookie = {
  name: "NOMAD_PLUGIN_MAGIC_COOKIE",
  value: "e4327c2e01eabfd75a8a67adb114fb34a757d57eee7728d857a8cec6e91a7255",
} as const;

/** Version of go-plugin's protocol, and of Nomad's plugin interface. */
const coreProtocolVersion = 1;
const pluginProtocolVersion = 2;

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether Nomad, or another program in its role, has started this process. */
export function isPluginLaunch(env: Environment): boolean {
  return env[magicCookie.name] === magicCookie.value;
}

/** The variables that an agent sets when it launches a plugin. */
export const launchEnvironment = {
  [magicCookie.name]: magicCookie.value,
  PLUGIN_PROTOCOL_VERSIONS: String(pluginProtocolVersion),
  PLUGIN_MIN_PORT: "10000",
  PLUGIN_MAX_PORT: "25000",
} as const;

/** The agent's settings for the plugin's socket. */
export interface SocketOptions {
  /** Folder of the socket; by default the host's temporary folder. */
  readonly folder: string | undefined;
  /** Name or id of a group that may also connect. */
  readonly group: string | undefined;
}

/**
 * Reads the launch options from the environment.
 * @throws DriverError `UNSUPPORTED` for an unknown protocol version, and for mutual TLS
 */
export function readLaunch(env: Environment): SocketOptions {
  const versions = env.PLUGIN_PROTOCOL_VERSIONS;
  // An agent that does not set the variable accepts any version.
  if (versions && !versions.split(",").map(Number).includes(pluginProtocolVersion)) {
    throw new DriverError(
      "UNSUPPORTED",
      `the agent speaks plugin protocol ${versions}, this plugin ${pluginProtocolVersion}`,
      { hint: "Use a version of the plugin made for this version of Nomad" },
    );
  }
  if (env.PLUGIN_CLIENT_CERT) {
    throw new DriverError("UNSUPPORTED", "the agent asks for mutual TLS (PLUGIN_CLIENT_CERT is set)", {
      hint: "Only root can connect to the plugin's socket: start the plugin without mutual TLS",
    });
  }
  return {
    folder: env.PLUGIN_UNIX_SOCKET_DIR || undefined,
    group: env.PLUGIN_UNIX_SOCKET_GROUP || undefined,
  };
}

/** The line with the address to which the agent connects. */
export function handshakeLine(socketPath: string): string {
  return `${coreProtocolVersion}|${pluginProtocolVersion}|unix|${socketPath}|grpc\n`;
}

/**
 * The socket path in a plugin's handshake line.
 * @throws DriverError `PLUGIN_FAILED` for anything other than a driver plugin's handshake
 */
export function parseHandshake(line: string): string {
  const [core, protocol, network, path, kind] = line.trimEnd().split("|");
  const known = core === String(coreProtocolVersion) && protocol === String(pluginProtocolVersion);
  if (known && network === "unix" && path && kind === "grpc") return path;
  throw new DriverError(
    "PLUGIN_FAILED",
    `not the handshake of a Nomad driver plugin: ${JSON.stringify(line)}`,
  );
}
