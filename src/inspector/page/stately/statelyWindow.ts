/**
 * The window of Stately's inspector, by the library's own protocol: the page opens the window, the site in it says
 * that it is connected, and the page posts messages to it.
 */
import { createBrowserInspector, type StatelyInspectionEvent } from "@statelyai/inspect";
import type { StatelyMessage } from "../../stately/messages.ts";

/** The site that gets what this page sends. */
export const site = "https://stately.ai";

/** How it stands with the window: `blocked` if the browser opened none, `opened` until the site has answered. */
export type WindowState = "blocked" | "opened" | "connected" | "closed";

interface Watching {
  readonly onState: (state: WindowState) => void;
  /** Called when the site is connected, and again if the window was loaded anew: it knows nothing then. */
  readonly onConnected: () => void;
}

/** Between two looks whether the window was closed, of which a browser tells nothing. In ms. */
const lookMs = 1_000;

/** One window, from its opening to its end. To be made in the handler of a click, or the browser blocks it. */
export class StatelyWindow {
  readonly #inspector;
  readonly #closing = new AbortController();

  constructor({ onState, onConnected }: Watching) {
    this.#inspector = createBrowserInspector({
      url: `${site}/inspect`,
      autoStart: false,
      // The library would keep messages for a window that is loaded anew; here, all are sent again.
      maxDeferredEvents: 0,
      // The library posts to whatever site is in the window.
      send: (message) => this.#target?.postMessage(message, site),
    });
    const { signal } = this.#closing;
    addEventListener(
      "message",
      ({ source, origin, data }: MessageEvent<{ readonly type?: unknown } | null>) => {
        if (source !== this.#target || origin !== site || data?.type !== "@statelyai.connected") return;
        onState("connected");
        onConnected();
      },
      { signal },
    );
    this.#inspector.start();
    onState(this.#target === null ? "blocked" : "opened");
    const look = setInterval(() => this.#target?.closed && this.#end(onState), lookMs);
    signal.addEventListener("abort", () => clearInterval(look));
  }

  post(message: StatelyMessage): void {
    // The library sends `id: null` as well, which its type lacks.
    this.#inspector.adapter.send(message as StatelyInspectionEvent);
  }

  /** Stops watching the window, which stays open. */
  leave(): void {
    this.#closing.abort();
  }

  get #target(): Window | null {
    return this.#inspector.adapter.targetWindow;
  }

  #end(onState: (state: WindowState) => void): void {
    this.leave();
    onState("closed");
  }
}
