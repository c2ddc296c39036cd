/** A fleet for the page: read when a page asks, by all pages together, and not too often. */
import { DriverError } from "../../base/errors.ts";
import type { Fleet } from "../../fleet/readFleet.ts";
import { explainFleet, type FleetWhy } from "../../fleet/why.ts";
import { type FleetAnswer, type FleetScope, fleetView } from "../views/fleetView.ts";

export interface FleetSource {
  readonly scope: FleetScope;
  read(): Promise<Fleet>;
}

/** How old an answer may be, in milliseconds: a large cluster takes seconds to read. */
const maxAgeMs = 10_000;

interface Reading {
  readonly at: number;
  readonly fleet: Fleet;
  readonly why: FleetWhy;
}

export class FleetReading {
  readonly #source: FleetSource;
  #reading: Promise<Reading> | undefined;
  #isOld = true;

  constructor(source: FleetSource) {
    this.#source = source;
  }

  /** @param isKnown whether the inspector has histories of the allocation */
  async answer(isKnown: (allocation: string) => boolean): Promise<FleetAnswer> {
    if (this.#reading === undefined || this.#isOld) this.#reading = this.#read();
    try {
      const { at, fleet, why } = await this.#reading;
      return { view: fleetView(this.#source.scope, why, fleet.allocations, { readAt: at, isKnown }) };
    } catch (thrown) {
      const { code, message } = DriverError.from(thrown, "NOMAD_FAILED", "the cluster cannot be read");
      return { error: `${code}: ${message}` };
    }
  }

  async #read(): Promise<Reading> {
    this.#isOld = false;
    try {
      const fleet = await this.#source.read();
      return { at: Date.now(), fleet, why: explainFleet(fleet, undefined) };
    } finally {
      setTimeout(() => {
        this.#isOld = true;
      }, maxAgeMs).unref();
    }
  }
}
