/** What simulated modules export: looked up at each call, so that each history has a world of its own. */

type Callable = (...given: never[]) => unknown;

class Simulated {
  /** Exports that are not functions, by `<module>#<name>`. */
  readonly values = new Map<string, unknown>();
  /** Functions and classes of the simulation, by `<module>#<name>`. */
  readonly functions = new Map<string, Callable>();
  /** Planted defects: functions that replace a function of the driver, given the real one. */
  readonly mutants = new Map<string, (real: Callable) => Callable>();

  /** @param real the driver's own function, if the module is the driver's */
  export(module: string, name: string, real: Callable | undefined): unknown {
    const key = `${module}#${name}`;
    if (this.values.has(key)) return this.values.get(key);
    const current = (): Callable => {
      const found = this.functions.get(key) ?? real;
      if (found === undefined) throw new NotSimulated(key);
      const mutant = this.mutants.get(key);
      return mutant === undefined ? found : mutant(found);
    };
    return new Proxy(function simulated() {}, {
      apply: (_target, self, given) => Reflect.apply(current(), self, given),
      construct: (_target, given) => Reflect.construct(current(), given) as object,
      get: (target, property) => {
        const known = this.functions.has(key) || real !== undefined;
        const owner = known ? current() : target;
        return (owner as unknown as Record<PropertyKey, unknown>)[property];
      },
    });
  }
}

/** The driver called something that the simulation does not have: a defect of the simulation. */
export class NotSimulated extends Error {
  constructor(what: string) {
    super(`the simulation has no ${what}`);
    notSimulated.push(this);
  }
}

/** Code may catch such an error, so each one is kept. */
export const notSimulated: Error[] = [];

export const simulated = new Simulated();
