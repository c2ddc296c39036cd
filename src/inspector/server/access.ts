/**
 * Who may look: only what comes from this host's own browser, with the token
 * that was printed. Pure but for the secrets that are drawn once.
 *
 * A page of another site can make a browser send requests here. It can't read
 * the token, its origin is another one, and a name of its own that it makes
 * resolve to this host (DNS rebinding) is no host that is answered to.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";

/** What is looked at of a request. */
export interface Asked {
  readonly method?: string | undefined;
  /** Path and query. */
  readonly url?: string | undefined;
  readonly headers: {
    readonly host?: string | undefined;
    readonly origin?: string | undefined;
    readonly cookie?: string | undefined;
  };
}

export type Verdict =
  | { readonly kind: "admitted" }
  /** The token is right: the browser gets a cookie, and the address without the token. */
  | { readonly kind: "welcome"; readonly cookie: string }
  | { readonly kind: "refused"; readonly status: number; readonly reason: string };

export class Access {
  /** Stands in the printed URL. */
  readonly token = randomBytes(24).toString("base64url");
  readonly #session = randomBytes(24).toString("base64url");
  /** Cookies know no ports: two inspectors on one host must not take each other's. */
  readonly #cookieName = `inspect_${createHash("sha256").update(this.token).digest("hex").slice(0, 12)}`;

  judge({ method, url, headers }: Asked): Verdict {
    if (method !== "GET" && method !== "HEAD") return refused(405, "nothing can be changed here");
    const target = targetOf(url);
    if (target === undefined) return refused(400, "the request names no path");
    if (!isOwnHost(headers.host)) return refused(421, "this host is not known by that name");
    if (headers.origin !== undefined && headers.origin !== `http://${headers.host}`) {
      return refused(403, "pages of other origins may not look");
    }
    const token = target.searchParams.get("token");
    if (target.pathname === "/" && token !== null && isSame(token, this.token)) {
      return { kind: "welcome", cookie: this.#cookie() };
    }
    if (cookieOf(headers.cookie, this.#cookieName).some((value) => isSame(value, this.#session))) {
      return { kind: "admitted" };
    }
    return refused(401, "open the address that `nomad-driver-exec2 inspect` has printed, with its token");
  }

  /** For a client that is no browser: the token in the address itself, whatever its path. */
  admitsClient(asked: Asked): boolean {
    const { host, origin } = asked.headers;
    if (!isOwnHost(host) || (origin !== undefined && !isLoopback(origin))) return false;
    const token = targetOf(asked.url)?.searchParams.get("token") ?? null;
    return token !== null && isSame(token, this.token);
  }

  #cookie(): string {
    return `${this.#cookieName}=${this.#session}; Path=/; HttpOnly; SameSite=Strict`;
  }
}

/** What a request asks for. @returns undefined for what is no path, such as `//`, and no address either */
export function targetOf(url = "/"): URL | undefined {
  return URL.parse(url, "http://localhost") ?? undefined;
}

/** A number, or `localhost`: names that somebody else's DNS server answers for are refused. The port may be a tunnel's. */
function isOwnHost(host: string | undefined): boolean {
  const name = /^(\[[^\]]+\]|[^:]+)(:\d{1,5})?$/.exec(host ?? "")?.[1];
  if (name === undefined) return false;
  return name === "localhost" || isIP(name.replace(/^\[|\]$/g, "")) !== 0;
}

/** A page of a program on the same machine, such as the relay of `@statelyai/inspect`. */
function isLoopback(origin: string): boolean {
  return /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(origin);
}

function cookieOf(header: string | undefined, name: string): string[] {
  const pairs = (header ?? "").split(";").map((pair) => pair.trim().split("="));
  return pairs.flatMap(([key, value]) => (key === name && value !== undefined ? [value] : []));
}

/** Takes as long whatever differs. */
function isSame(given: string, secret: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(secret));
}

function refused(status: number, reason: string): Verdict {
  return { kind: "refused", status, reason };
}
