/** The layout of the state machine's chart, in the chart's own units. The build computes it. */
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
  /**
   * The transitions that the arrow draws. An arrow that begins at a joint draws those of all arrows that end
   * there.
   */
  readonly transitions: readonly ChartTransition[];
  readonly points: readonly Point[];
  /** Whether the arrow ends at a state. Otherwise it ends at a joint. */
  readonly hasHead: boolean;
  /** The event's name; empty if the next state has the same name, or if the arrow ends at a joint. */
  readonly label: string;
  /** Position of the arrow's label, and of the numbers of its steps. */
  readonly middle: Point;
}

export interface ChartTransition {
  readonly from: string;
  readonly to: string;
  readonly event: string;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}
