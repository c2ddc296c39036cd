/**
 * Access control: admits the page and other clients that present the printed token.
 *
 * There is no cookie, because browsers send cookies to every port of a host, and so to the web page of a task.
 * The page's own files contain nothing of any task, so everybody may load them.
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
    readonly authorization?: string | undefined;
  };
}

export type Verdict =
  | { readonly kind: "admitted" }
  /** Only the page's own files may be sent. */
  | { readonly kind: "stranger" }
  | { readonly kind: "refused"; readonly status: number; readonly reason: string };

/** Path for uploads of bundles that were dropped onto the page. No other path accepts data. */
const uploadPath = "/api/bundles";

/** The path that Prometheus scrapes. */
export const metricsPath = "/metrics";

export class Access {
  /** Part of the printed URL. */
  readonly token = randomBytes(24).toString("base64url");

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
    const isScrape = target.pathname === metricsPath;
    const given =
      /^Bearer (.+)$/i.exec(headers.authorization ?? "")?.[1] ??
      // Prometheus may also send it as a parameter.
      (isScrape ? target.searchParams.get("token") : null);
    if (given !== null && isSame(given, this.token)) return { kind: "admitted" };
    if (!isScrape && !target.pathname.startsWith("/api/")) return { kind: "stranger" };
    return refused(401, "open the address printed by `nomad-driver-exec2 inspect`, including its token");
  }

  /** Checks the token in the address, for clients other than browsers. Any path is allowed. */
  admitsClient(request: AccessRequest): boolean {
    const { host, origin } = request.headers;
    if (!isOwnHost(host) || (origin !== undefined && !isLoopback(origin))) return false;
    const token = targetOf(request.url)?.searchParams.get("token") ?? null;
    return token !== null && isSame(token, this.token);
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

/** Compares in constant time. */
function isSame(input: string, secret: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(input), digest(secret));
}

function refused(status: number, reason: string): Verdict {
  return { kind: "refused", status, reason };
}
