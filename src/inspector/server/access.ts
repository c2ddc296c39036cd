/**
 * Access control: admits browsers and other clients that present the printed token.
 *
 * A page of another site can make a browser send requests here. But the page cannot
 * read the token, and its origin differs. If the site's own domain resolves to this
 * host (DNS rebinding), the request names a host that is not accepted.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { isOwnHost } from "../../http/hostHeader.ts";

/** The parts of a request on which the decision depends. */
export interface AccessRequest {
  readonly method?: string | undefined;
  /** Path and query. */
  readonly url?: string | undefined;
  readonly headers: {
    readonly host?: string | undefined;
    readonly origin?: string | undefined;
    readonly cookie?: string | undefined;
    readonly authorization?: string | undefined;
  };
}

export type Verdict =
  | { readonly kind: "admitted" }
  /** The token is right. The browser gets a cookie, and is redirected to the address without the token. */
  | { readonly kind: "welcome"; readonly cookie: string }
  | { readonly kind: "refused"; readonly status: number; readonly reason: string };

/** Path for uploads of bundles that were dropped onto the page. No other path accepts data. */
const uploadPath = "/api/bundles";

/** The path that Prometheus scrapes. */
export const metricsPath = "/metrics";

export class Access {
  /** Part of the printed URL. */
  readonly token = randomBytes(24).toString("base64url");
  readonly #session = randomBytes(24).toString("base64url");
  /**
   * Unique for each inspector: cookies ignore ports, and two inspectors on one host must not share a cookie.
   */
  readonly #cookieName = `inspect_${createHash("sha256").update(this.token).digest("hex").slice(0, 12)}`;

  judge({ method, url, headers }: AccessRequest): Verdict {
    const target = targetOf(url);
    const isUpload = method === "POST" && target?.pathname === uploadPath;
    if (method !== "GET" && method !== "HEAD" && !isUpload) {
      return refused(405, "only GET and HEAD are allowed");
    }
    if (target === undefined) return refused(400, "the request names no path");
    if (!isOwnHost(headers.host)) return refused(421, "this server does not have that host name");
    if (headers.origin !== undefined && headers.origin !== `http://${headers.host}`) {
      return refused(403, "pages of other origins have no access");
    }
    // Browsers name the origin of every upload.
    if (isUpload && headers.origin === undefined) return refused(403, "only the page itself may upload");
    const token = target.searchParams.get("token");
    if (target.pathname === "/" && token !== null && isSame(token, this.token)) {
      return { kind: "welcome", cookie: this.#cookie() };
    }
    if (target.pathname === metricsPath && this.#isBearer(headers.authorization, token)) {
      return { kind: "admitted" };
    }
    if (cookieOf(headers.cookie, this.#cookieName).some((value) => isSame(value, this.#session))) {
      return { kind: "admitted" };
    }
    return refused(401, "open the address printed by `nomad-driver-exec2 inspect`, including its token");
  }

  /** Checks the token in the address, for clients other than browsers. Any path is allowed. */
  admitsClient(request: AccessRequest): boolean {
    const { host, origin } = request.headers;
    if (!isOwnHost(host) || (origin !== undefined && !isLoopback(origin))) return false;
    const token = targetOf(request.url)?.searchParams.get("token") ?? null;
    return token !== null && isSame(token, this.token);
  }

  /** Prometheus keeps no cookies: it sends the token as a header, or as a parameter. */
  #isBearer(authorization: string | undefined, token: string | null): boolean {
    const given = /^Bearer (.+)$/i.exec(authorization ?? "")?.[1] ?? token;
    return given !== null && isSame(given, this.token);
  }

  #cookie(): string {
    return `${this.#cookieName}=${this.#session}; Path=/; HttpOnly; SameSite=Strict`;
  }
}

/**
 * Parses a request's target.
 * @returns undefined for a target that is neither a path nor an address, such as `//`
 */
export function targetOf(url = "/"): URL | undefined {
  return URL.parse(url, "http://localhost") ?? undefined;
}

/** Whether a page comes from a program on the same machine, such as the relay of `@statelyai/inspect`. */
function isLoopback(origin: string): boolean {
  return /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(origin);
}

function cookieOf(header: string | undefined, name: string): string[] {
  const pairs = (header ?? "").split(";").map((pair) => pair.trim().split("="));
  return pairs.flatMap(([key, value]) => (key === name && value !== undefined ? [value] : []));
}

/** Compares in constant time. */
function isSame(input: string, secret: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(input), digest(secret));
}

function refused(status: number, reason: string): Verdict {
  return { kind: "refused", status, reason };
}
