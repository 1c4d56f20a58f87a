/** What is made of the samples: medians, ratios pair by pair, and the rows of the table of issue 6. Pure. */
import type { Ratio, Sample } from '../support/results.ts';
import { pairRatios, spreadOf, type RoundValue, type Spread } from '../support/statistics.ts';
import type { TargetId, TargetResult } from '../support/targets.ts';

export const OURS = 'farshore';

export interface Place {
  readonly state: string;
  readonly workload: string;
}

/** List the cells' places in the order in which they were first measured. */
export function placesOf(samples: readonly Sample[]): Place[] {
  const seen = new Map<string, Place>();
  for (const { state, workload } of samples) seen.set(`${state} ${workload}`, { state, workload });
  return [...seen.values()];
}

/** List the servers in the order in which they were first measured. */
export function serversOf(samples: readonly Sample[]): string[] {
  return [...new Set(samples.map(({ server }) => server))];
}

export function samplesAt(samples: readonly Sample[], { state, workload }: Place, server: string): Sample[] {
  return samples.filter((sample) => sample.state === state && sample.workload === workload && sample.server === server);
}

/** Spread of one figure over the rounds; null when no round has it. */
export function spreadAt(samples: readonly Sample[], figure: (sample: Sample) => number | null | undefined): Spread | null {
  return spreadOf(samples.map(figure));
}

/** Compute Farshore's rate over every peer's, for every place that both were measured in. */
export function ratiosOf(samples: readonly Sample[]): Ratio[] {
  return placesOf(samples).flatMap((place) => {
    const ours = ratesOf(samplesAt(samples, place, OURS));
    return serversOf(samples)
      .filter((server) => server !== OURS)
      .flatMap((peer) => {
        const spread = pairRatios(ours, ratesOf(samplesAt(samples, place, peer)));
        return spread === null ? [] : [{ ...place, peer, spread }];
      });
  });
}

function ratesOf(samples: readonly Sample[]): RoundValue[] {
  return samples.map(({ round, operationsPerSecond }) => ({ round, value: operationsPerSecond }));
}

/** Targets that are a ratio of this run: workload (in state large) and peer. */
const RATIO_TARGETS: readonly { readonly id: TargetId; readonly workload: string; readonly peer: string }[] = [
  { id: 'write-4k-32/nbdkit-file', workload: 'write-4k-32', peer: 'nbdkit-file' },
  { id: 'write-4k-128/nbdkit-file', workload: 'write-4k-128', peer: 'nbdkit-file' },
  { id: 'write-4k-1/nbdkit-file', workload: 'write-4k-1', peer: 'nbdkit-file' },
  { id: 'fsync-32/nbdkit-file', workload: 'fsync-32', peer: 'nbdkit-file' },
  { id: 'fsync-1/nbdkit-file', workload: 'fsync-1', peer: 'nbdkit-file' },
  { id: 'write-1m/nbdkit-file', workload: 'write-1m', peer: 'nbdkit-file' },
  { id: 'write-1m/mirror-background', workload: 'write-1m', peer: 'mirror-background' },
  { id: 'write-4k-32/mirror-write-blocking', workload: 'write-4k-32', peer: 'mirror-write-blocking' },
  { id: 'write-4k-32/mirror-background', workload: 'write-4k-32', peer: 'mirror-background' },
  { id: 'read-4k-32/nbdkit-file', workload: 'read-4k-32', peer: 'nbdkit-file' },
  { id: 'read-1m/nbdkit-file', workload: 'read-1m', peer: 'nbdkit-file' },
];
const JUDGED_STATE = 'large';
const CPU_WORKLOAD = 'write-4k-128';

/** Compute the rows of the target table that the side-by-side run measures. */
export function targetsOf(samples: readonly Sample[], ratios: readonly Ratio[]): TargetResult[] {
  const found: TargetResult[] = RATIO_TARGETS.flatMap(({ id, workload, peer }) => {
    const ratio = ratios.find((one) => one.state === JUDGED_STATE && one.workload === workload && one.peer === peer);
    return ratio === undefined ? [] : [{ id, spread: ratio.spread }];
  });
  const atDepth128 = samplesAt(samples, { state: JUDGED_STATE, workload: CPU_WORKLOAD }, OURS);
  for (const role of ['primary', 'secondary'] as const) {
    const spread = spreadAt(atDepth128, ({ cpuUsPerOperation }) => cpuUsPerOperation[role]);
    if (spread !== null) found.push({ id: `cpu-${role}`, spread });
  }
  return found;
}
