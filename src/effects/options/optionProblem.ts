/** A problem with the value of an option. Pure. */
export interface OptionProblem {
  /** Continues the option's name: `option "cap_add" ("root") is not a capability`. */
  readonly message: string;
  /** What to write instead. */
  readonly hint: string;
}
