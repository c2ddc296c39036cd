/** The layout of the state machine's chart, which the build computes, in units of its own. */
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
  /** Events that lead there, each with the middle of its label, except an event with the state's own name. */
  readonly labels: readonly (Point & { readonly text: string })[];
  /** The middle of its longest segment. */
  readonly middle: Point;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}
