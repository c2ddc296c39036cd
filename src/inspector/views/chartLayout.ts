/** The state machine's chart as the build lays it out, in units of its own. */
export interface ChartLayout {
  readonly width: number;
  readonly height: number;
  readonly states: readonly (Point & {
    readonly id: string;
    readonly width: number;
    readonly height: number;
  })[];
  readonly arrows: readonly ChartArrow[];
}

export interface ChartArrow {
  readonly from: string;
  readonly to: string;
  readonly points: readonly Point[];
  /** Events that lead there, but for the one that is called as the state is; each with its middle. */
  readonly labels: readonly (Point & { readonly text: string })[];
  /** The middle of its longest stretch. */
  readonly middle: Point;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}
