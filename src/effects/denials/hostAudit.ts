/**
 * Turns the kernel's audit on for denials, and off again. Audit is one switch for the whole host, so the
 * plugins of several agents share it. Each plugin that wants audit holds a shared lock on a file. A plugin
 * that is configured with `denials = "off"` turns audit off, unless another plugin holds the lock. The file
 * contains the setting to restore. The file is in /run, because a boot resets audit, too.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { tryFlock } from "../kernel/libc.ts";
import { auditStatus, setAudit } from "./auditSocket.ts";

const { O_CREAT, O_NOFOLLOW, O_RDWR } = constants;

const auditMarker = "/run/nomad-driver-exec2.audit";

/** The value of auditd's default rules. With the kernel's default of 64, records of a burst are lost. */
const backlogLimit = 8_192;

/**
 * Maximum number of attempts to lock the file. A plugin that turns audit off locks the file exclusively, but
 * only for a moment.
 */
const lockAttempts = 200;

/**
 * Keeps other plugins from turning audit off. Audit stays on after the lease's disposal, until
 * {@link turnAuditOff}.
 */
export class AuditLease implements Disposable {
  readonly #file: number;

  private constructor(file: number) {
    this.#file = file;
  }

  /**
   * Turns audit on if it is off.
   * @throws Error as fs functions do
   * @throws DriverError `KERNEL_CALL_FAILED`
   */
  static async take(): Promise<AuditLease> {
    using undo = new DisposableStack();
    const file = undo.adopt(await openLocked(), closeSync);
    const status = await auditStatus();
    if (status.enabled === 0) {
      ftruncateSync(file);
      writeSync(file, JSON.stringify({ backlogLimit: status.backlogLimit }), 0);
      await setAudit({ enabled: true, backlogLimit: Math.max(status.backlogLimit, backlogLimit) });
    }
    undo.move();
    return new AuditLease(file);
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}

/**
 * Turns audit off, if a lease has turned it on, nobody else holds a lease, and no audit daemon is running.
 * @throws as {@link AuditLease.take} does
 */
export async function turnAuditOff(): Promise<void> {
  let file: number;
  try {
    file = openSync(auditMarker, O_RDWR | O_NOFOLLOW);
  } catch {
    return;
  }
  try {
    if (!tryFlock(file)) return;
    const before = limitIn(readFileSync(file, "utf8"));
    const { enabled, daemon } = await auditStatus();
    if (before !== undefined && enabled === 1 && daemon === 0) {
      await setAudit({ enabled: false, backlogLimit: before });
    }
    rmSync(auditMarker, { force: true });
  } finally {
    closeSync(file);
  }
}

/**
 * Opens the file with a shared lock. Tries again if another process has locked the file exclusively, or
 * removed it before the lock.
 */
async function openLocked(): Promise<number> {
  for (let attempt = 0; attempt < lockAttempts; attempt += 1) {
    const file = openSync(auditMarker, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
    if (
      tryFlock(file, "shared") &&
      statSync(auditMarker, { throwIfNoEntry: false })?.ino === fstatSync(file).ino
    ) {
      return file;
    }
    closeSync(file);
    await delay(5);
  }
  throw new Error(`${auditMarker} is locked by another process`);
}

function limitIn(text: string): number | undefined {
  const found = /^\{"backlogLimit":(\d{1,9})\}$/.exec(text);
  return found === null ? undefined : Number(found[1]);
}
