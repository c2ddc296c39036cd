/**
 * go-plugin's handshake: what the agent puts into a plugin's environment, and
 * the one line with which the plugin tells where it listens. Pure.
 */
import { DriverError } from "../errors.ts";

/** An environment variable and its value: the mark of a launch by Nomad, no secret. */
const magicCookie = {
  name: "NOMAD_PLUGIN_MAGIC_COOKIE",
  value: "e4327c2e01eabfd75a8a67adb114fb34a757d57eee7728d857a8cec6e91a7255",
} as const;

/** go-plugin's own version, and that of Nomad's plugin interface. */
const coreProtocolVersion = 1;
const pluginProtocolVersion = 2;

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether Nomad (or who poses as it) has started this process. */
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

/** Where the agent wants the plugin's socket. */
export interface SocketWishes {
  /** A folder; without it, the host's temporary one. */
  readonly folder: string | undefined;
  /** Name or id of a group that may connect too. */
  readonly group: string | undefined;
}

/**
 * What the launch asks for.
 * @throws DriverError `UNSUPPORTED` where the plugin cannot do what the agent insists on
 */
export function readLaunch(env: Environment): SocketWishes {
  const versions = env.PLUGIN_PROTOCOL_VERSIONS;
  // Absent, the agent is one that takes what the plugin offers.
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

/** The line that tells the agent where to connect. */
export function handshakeLine(socketPath: string): string {
  return `${coreProtocolVersion}|${pluginProtocolVersion}|unix|${socketPath}|grpc\n`;
}

/**
 * The socket path in a plugin's handshake line.
 * @throws DriverError `PLUGIN_FAILED` for anything else than this driver's handshake
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
