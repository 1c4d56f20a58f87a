/** What a range of seeds exercised, added up. */
import { noCounters, type Counters } from './host.ts';
import type { SeedReport } from './simulation.ts';

export interface SimulationSummary {
  readonly seeds: number;
  readonly seconds: number;
  readonly seedsPerSecond: number;
  readonly counters: Counters;
  readonly stories: Readonly<Record<string, number>>;
  readonly failures: readonly SeedFailure[];
}

export interface SeedFailure {
  readonly seed: number;
  readonly story: string;
  readonly rule: string;
  readonly message: string;
  readonly stack: string;
  readonly step: number;
  /** Shows this seed again, event by event. */
  readonly command: string;
}

export class Tally {
  seeds = 0;
  readonly counters = noCounters();
  readonly stories: Record<string, number> = {};
  readonly failures: SeedFailure[] = [];

  add(report: SeedReport): void {
    this.seeds += 1;
    this.stories[report.story] = (this.stories[report.story] ?? 0) + 1;
    for (const name of Object.keys(this.counters) as (keyof Counters)[]) this.counters[name] += report.counters[name];
    const { failure, seed, story } = report;
    if (failure !== null) {
      const { rule, message, stack, step } = failure;
      this.failures.push({ seed, story, rule, message, stack, step, command: `farshore simulate --seed ${seed} --trace seed-${seed}.txt` });
    }
  }

  summary(seconds: number): SimulationSummary {
    return {
      seeds: this.seeds,
      seconds,
      seedsPerSecond: this.seeds / Math.max(seconds, 0.001),
      counters: this.counters,
      stories: this.stories,
      failures: this.failures.toSorted((a, b) => a.seed - b.seed),
    };
  }
}
