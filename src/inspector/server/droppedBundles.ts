/**
 * Bundles that were dropped onto the page. They are kept in memory until the inspector ends or newer bundles
 * replace them, and are never written to disk. Each bundle has its own index, so that its tasks cannot be
 * taken for tasks of this host.
 */

import { randomBytes } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { DriverError } from "../../base/errors.ts";
import type { BundleHeader } from "../../history/replay/bundle/bundleFormat.ts";
import { parseBundleInTurns } from "../../history/replay/bundle/loadBundle.ts";
import { checkStream, type Finding } from "../../history/replay/check/streamCheck.ts";
import { thisMachine } from "../../machines/machineVersion.ts";
import type { EventReader } from "../../store/eventStore.ts";
import { formatBytes } from "../../units/sizes.ts";
import { upperFirst } from "../../units/upperFirst.ts";
import type { BundleView } from "../views/answers.ts";
import { Allocations } from "./allocations.ts";
import { LogRequests } from "./logs/logRequests.ts";
import { TaskIndex } from "./taskIndex.ts";

/** Maximum size of a bundle, some 60,000 events. A larger one can be opened with `inspect BUNDLE`. */
export const maxBundleBytes = 32 * 1024 * 1024;
export const tooLarge = `The bundle is larger than ${formatBytes(maxBundleBytes)}. Look at it with nomad-driver-exec2 inspect BUNDLE`;
const maxAllBytes = 64 * 1024 * 1024;
const maxBundles = 16;
const maxNameLength = 200;
/** Events to fold in one turn of the event loop. */
const eventsATurn = 200;

export interface DroppedBundle {
  readonly key: string;
  /** The name of the file. */
  readonly name: string;
  readonly header: BundleHeader;
  readonly reader: EventReader;
  readonly index: TaskIndex;
  readonly allocations: Allocations;
  readonly logs: LogRequests;
  /** Sentences about damage, and about events that cannot be verified. */
  readonly found: readonly string[];
  readonly bytes: number;
}

export class DroppedBundles {
  readonly #bundles = new Map<string, DroppedBundle>();

  /**
   * Reads a bundle, and lets other work run in between.
   * @throws DriverError `BUNDLE_INVALID`
   */
  async add(bytes: Buffer, fileName: string): Promise<DroppedBundle> {
    const name = fileName.slice(0, maxNameLength);
    const { header, reader } = await parseBundleInTurns(bytes.toString("utf8"), name, turn);
    // The reader reports damage outside of events. The check of each stream below finds damage to events.
    const damage = reader.damage.map(upperFirst);
    const index = new TaskIndex();
    let taken = 0;
    for (const event of reader.readIntact()) {
      index.take(reader, event);
      if (++taken % eventsATurn === 0) await turn();
    }
    const findings: Finding[] = [];
    for (const head of reader.streams()) {
      const finding = checkStream(reader.readRecords(head.stream), head, thisMachine);
      if (finding !== undefined) findings.push(finding);
      await turn();
    }
    const key = randomBytes(9).toString("base64url");
    const allocations = new Allocations(index);
    const logs = new LogRequests(index, () => true);
    const found = [...findings.map(findingText), ...damage];
    const bundle = { key, name, header, reader, index, allocations, logs, found, bytes: bytes.length };
    this.#makeRoom(bytes.length);
    this.#bundles.set(key, bundle);
    return bundle;
  }

  /** A bundle by its key; undefined once newer bundles have replaced it. */
  get(key: string): DroppedBundle | undefined {
    return this.#bundles.get(key);
  }

  #makeRoom(bytes: number): void {
    for (const [key] of this.#bundles) {
      const all = [...this.#bundles.values()].reduce((sum, bundle) => sum + bundle.bytes, bytes);
      if (all <= maxAllBytes && this.#bundles.size < maxBundles) return;
      this.#bundles.delete(key);
    }
  }
}

export function bundleView({ name, header, index, found }: DroppedBundle): BundleView {
  const { driver, host, exportedAt, masked, streams } = header;
  return {
    ...{ name, driver, host, exportedAt, masked },
    tasks: index.ids().length,
    events: streams.reduce((sum, { version }) => sum + version, 0),
    findings: found,
  };
}

function findingText({ kind, stream, seq }: Finding): string {
  const what = {
    damage: "was changed, or is missing",
    divergence: "has a different result with this version's machine",
    unreadable: "cannot be read by this version",
  }[kind];
  return `Event ${seq} of ${stream} ${what}`;
}

/** The bytes of a request. @throws DriverError `BUNDLE_INVALID` if they exceed the limit */
export async function bytesOf(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxBundleBytes) {
      throw new DriverError("BUNDLE_INVALID", tooLarge);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}
