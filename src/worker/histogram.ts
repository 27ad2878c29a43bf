import type { Metric, MetricValueWithName, Registry } from 'prom-client'

export interface HistogramOptions {
  name: string
  help: string
  /** Upper bounds, ascending. */
  buckets: readonly number[]
}

/** The observations of one combination of labels. */
export class Observations {
  readonly labels: Readonly<Record<string, string>>
  /** By bucket, the last for what is beyond all bounds; not yet added up. */
  readonly counts: number[]
  sum = 0
  readonly #buckets: readonly number[]

  constructor(labels: Readonly<Record<string, string>>, buckets: readonly number[]) {
    this.labels = labels
    this.#buckets = buckets
    this.counts = Array.from({ length: buckets.length + 1 }, () => 0)
  }

  observe(value: number): void {
    const buckets = this.#buckets
    let i = 0
    while (i < buckets.length && value > buckets[i]!) i++
    this.counts[i]!++
    this.sum += value
  }
}

/**
 * A histogram in a registry of prom-client, where observing is an addition. prom-client's own puts the labels into a key
 * at each call, which for jobs of microseconds costs more than the rest of what is counted.
 */
export class LaneHistogram {
  readonly name: string
  readonly #help: string
  readonly #buckets: readonly number[]
  readonly #all: Observations[] = []

  constructor(registry: Registry, { name, help, buckets }: HistogramOptions) {
    this.name = name
    this.#help = help
    this.#buckets = buckets
    // What a registry asks of a metric is a name and `get`.
    registry.registerMetric(this as unknown as Metric)
  }

  labels(labels: Readonly<Record<string, string>>): Observations {
    const observations = new Observations(labels, this.#buckets)
    this.#all.push(observations)
    return observations
  }

  async get() {
    const values: MetricValueWithName<string>[] = this.#all.flatMap(({ labels, counts, sum }) => {
      let count = 0
      const buckets = counts.map((n, i) => ({
        labels: { le: String(this.#buckets[i] ?? '+Inf'), ...labels },
        value: (count += n),
        metricName: `${this.name}_bucket`,
      }))
      return [
        ...buckets,
        { labels, value: sum, metricName: `${this.name}_sum` },
        { labels, value: count, metricName: `${this.name}_count` },
      ]
    })
    return { name: this.name, help: this.#help, type: 'histogram', values, aggregator: 'sum' }
  }
}
