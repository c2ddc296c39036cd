/** Where Nomad's API is, and how to reach it: the variables that Nomad's own commands read. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DriverError } from "../base/errors.ts";

export interface NomadAddress {
  /** `http:` or `https:`. For a socket, its host is `localhost`. */
  readonly url: URL;
  /** Path of a Unix socket; undefined for TCP. */
  readonly socketPath: string | undefined;
  /** As people write it, without a password. */
  readonly shown: string;
  readonly tls: {
    /** Certificates in PEM that are trusted instead of Node's own. */
    readonly ca?: string[];
    readonly cert?: string;
    readonly key?: string;
    readonly servername?: string;
    readonly rejectUnauthorized?: boolean;
  };
  /** User and password for a proxy before Nomad, with a colon between them. */
  readonly auth: string | undefined;
  readonly token: string | undefined;
  /** `*` for all that the token may read. */
  readonly namespace: string;
  readonly region: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

export interface AddressOptions {
  readonly address?: string | undefined;
  readonly namespace?: string | undefined;
  readonly region?: string | undefined;
}

/**
 * @param options take precedence over the variables
 * @throws DriverError `CONFIG_INVALID` for an address that is none, and for a certificate that cannot be read
 */
export function nomadAddress(env: Environment, options: AddressOptions = {}): NomadAddress {
  const text = options.address || env.NOMAD_ADDR || "http://127.0.0.1:4646";
  const url = URL.parse(text);
  const isSocket = url?.protocol === "unix:";
  if (url === null || !(isSocket || /^https?:$/.test(url.protocol)) || (isSocket && url.pathname === "")) {
    throw new DriverError("CONFIG_INVALID", "the address of Nomad is none", {
      hint: "Set NOMAD_ADDR to an address such as https://nomad.example.org:4646 or unix:///run/nomad.sock",
    });
  }
  const user =
    url.username === ""
      ? undefined
      : `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  const base = new URL(isSocket ? "http://localhost" : url.origin + url.pathname.replace(/\/+$/, ""));
  return {
    url: base,
    socketPath: isSocket ? decodeURIComponent(url.pathname) : undefined,
    shown: isSocket ? `unix://${url.pathname}` : url.origin,
    tls: base.protocol === "https:" ? tlsOf(env) : {},
    auth: env.NOMAD_HTTP_AUTH || user,
    token: env.NOMAD_TOKEN || undefined,
    namespace: options.namespace || env.NOMAD_NAMESPACE || "default",
    region: options.region || env.NOMAD_REGION || undefined,
  };
}

function tlsOf(env: Environment): NomadAddress["tls"] {
  const read = (name: string) => {
    const path = env[name];
    return path ? certificate(name, () => readFileSync(path, "utf8")) : undefined;
  };
  const folder = env.NOMAD_CAPATH;
  const ofFolder = folder
    ? certificate("NOMAD_CAPATH", () =>
        readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8")),
      )
    : [];
  const own = read("NOMAD_CACERT");
  const ca = own === undefined ? ofFolder : [own];
  const [cert, key] = [read("NOMAD_CLIENT_CERT"), read("NOMAD_CLIENT_KEY")];
  const servername = env.NOMAD_TLS_SERVER_NAME;
  return {
    ...(ca.length > 0 && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(servername && { servername }),
    ...(/^(1|t|true)$/i.test(env.NOMAD_SKIP_VERIFY ?? "") && { rejectUnauthorized: false }),
  };
}

function certificate<T>(variable: string, read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    throw DriverError.from(thrown, "CONFIG_INVALID", `the certificate or key of ${variable} cannot be read`);
  }
}
