/** One data point of a counter, as OTLP brings it (opentelemetry-proto, metrics/v1). */
export interface CounterPoint {
  readonly metric: string;
  /** `cumulative`: the value counts from the start on; `delta`: since the point before. */
  readonly temporality: 'cumulative' | 'delta';
  /** When the counting began; 0: not said. */
  readonly startMs: number;
  readonly timeMs: number;
  readonly value: number;
  /** Lists and maps are left out. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly resource: ReadonlyMap<string, string>;
}

/** Points of the counters that were asked for. */
export interface CounterPoints {
  readonly points: readonly CounterPoint[];
  /** Metrics that nobody asked for. */
  readonly otherMetrics: number;
  /** Data points of such counters that are none: gauges, values that go down, of no known temporality. */
  readonly unusable: number;
}

/** Which metrics are wanted, and how many points of them at most. */
export interface CounterWish {
  readonly wants: (metric: string) => boolean;
  readonly mostPoints: number;
}
