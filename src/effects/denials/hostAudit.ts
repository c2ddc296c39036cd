/**
 * Turns the kernel's audit on for denials, and off again, and makes its queue long enough for them. Both are
 * settings of the whole host, so the plugins of several agents share them. Each plugin that wants a setting
 * holds a shared lock on a file, which contains what to restore. The files are in /run, because a boot resets
 * audit, too. A plugin that is configured with `denials = "off"` turns audit off, unless another plugin holds
 * the lock. The last plugin that reads records of an audit that others have turned on restores the length of
 * the queue at its end.
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
const backlogMarker = "/run/nomad-driver-exec2.audit-backlog";

/**
 * The value of auditd's default rules. With the kernel's default of 64, which systemd-journald leaves when it
 * turns audit on, records of a burst are lost.
 */
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
    const file = undo.adopt(await openLocked(auditMarker), closeSync);
    const status = await auditStatus();
    if (status.enabled === 0) {
      note(file, status.backlogLimit);
      await setAudit({ enabled: true, backlogLimit: Math.max(status.backlogLimit, backlogLimit) });
    }
    undo.move();
    return new AuditLease(file);
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}

/** Keeps audit's queue long enough for the denials of a burst, until the last such lease is given up. */
export class BacklogLease {
  readonly #file: number;

  private constructor(file: number) {
    this.#file = file;
  }

  /**
   * Raises the limit of the queue if it is too low.
   * @throws Error as fs functions do
   * @throws DriverError `KERNEL_CALL_FAILED`, with EPERM if audit is locked
   */
  static async take(): Promise<BacklogLease> {
    using undo = new DisposableStack();
    const file = undo.adopt(await openLocked(backlogMarker), closeSync);
    const status = await auditStatus();
    // 0 is no limit.
    if (status.backlogLimit !== 0 && status.backlogLimit < backlogLimit) {
      note(file, status.backlogLimit);
      await setAudit({ backlogLimit });
    }
    undo.move();
    return new BacklogLease(file);
  }

  /**
   * Restores the limit, unless another plugin needs it or somebody has set another one.
   * @throws as {@link take} does
   */
  async giveUp(): Promise<void> {
    try {
      if (!tryFlock(this.#file)) return;
      const before = limitIn(readFileSync(backlogMarker, "utf8"));
      if (before !== undefined && (await auditStatus()).backlogLimit === backlogLimit)
        await setAudit({ backlogLimit: before });
      rmSync(backlogMarker, { force: true });
    } finally {
      closeSync(this.#file);
    }
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
async function openLocked(marker: string): Promise<number> {
  for (let attempt = 0; attempt < lockAttempts; attempt += 1) {
    const file = openSync(marker, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
    if (
      tryFlock(file, "shared") &&
      statSync(marker, { throwIfNoEntry: false })?.ino === fstatSync(file).ino
    ) {
      return file;
    }
    closeSync(file);
    await delay(5);
  }
  throw new Error(`${marker} is locked by another process`);
}

/** Notes the limit that is to be restored. */
function note(file: number, limit: number): void {
  ftruncateSync(file);
  writeSync(file, JSON.stringify({ backlogLimit: limit }), 0);
}

function limitIn(text: string): number | undefined {
  const found = /^\{"backlogLimit":(\d{1,9})\}$/.exec(text);
  return found === null ? undefined : Number(found[1]);
}
