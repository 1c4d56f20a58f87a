/** The samples under load as tables and rows of issue 6. Pure. */
import type { RecentLatency } from '../../src/model/status.ts';
import { shown, shownSpread } from '../report/numbers.ts';
import type { Latency } from '../support/fio.ts';
import type { Section } from '../support/results.ts';
import { spreadOf, type Spread } from '../support/statistics.ts';
import type { TargetId, TargetResult } from '../support/targets.ts';
import type { SustainedSample } from './sustained.ts';

const MB = 1e6;
const ROLES = ['primary', 'secondary'] as const;

type LatencyName = 'recordAcknowledged' | 'recoveryPoint' | 'recoveryPointFromCut' | 'journalCommit' | 'destage';
const MEASURED_BY_HOSTS: readonly (readonly [LatencyName, string])[] = [
  ['recordAcknowledged', "a record's acknowledgement, from the reply to the application"],
  ['recoveryPoint', 'the recovery point, from the oldest write of a data set until it is known to be destaged'],
  ['recoveryPointFromCut', 'the same from the cut, which comes after its newest write'],
  ['journalCommit', 'one commit of one journal'],
  ['destage', 'destage of one data set'],
];

/** Make the sections: latency, memory and stalls. */
export function sustainedSections(samples: readonly SustainedSample[]): Section[] {
  return [latencySection(samples), hostSection(samples)];
}

function latencySection(samples: readonly SustainedSample[]): Section {
  const [most, rate] = [spreadOf(samples.map((one) => one.maximumPerSecond)), spreadOf(samples.map((one) => one.ratePerSecond))];
  const stopped = (of: (sample: SustainedSample['stopped']) => number): string =>
    shownSpread(spreadOf(samples.map((one) => of(one.stopped))));
  const recoveryPoint = spreadOf(samples.map((one) => one.recoveryPoint?.p99Seconds));
  return {
    title: 'Latency under sustained load',
    notes: [
      `4k random writes, depth 32, at 70 % of the most that went in the same round (${shownSpread(most)}/s; held: ${shownSpread(rate)}/s). Milliseconds, medians of the rounds. The application's figures are fio's, the others are what the hosts measure (docs/operating.md); both hosts were started for it.`,
      `Secondary stopped for 5 s under the same load: at most ${stopped((one) => one.behindBytesMost / MB)} MB behind, application held up for ${stopped((one) => one.throttledSeconds)} s by the backlog limit, less than 0.5 s behind again ${stopped((one) => one.evenAfterMs)} ms after it went on.`,
    ],
    columns: ['what', 'p50, ms', 'p99, ms', 'p99.9, ms', 'most, ms'],
    rows: [
      fioRow(
        "the application's writes",
        samples.map((one) => one.completion),
      ),
      fioRow(
        "the application's flushes, each write flushed at depth 1",
        samples.map((one) => one.flush),
      ),
      ...MEASURED_BY_HOSTS.map(([name, title]) =>
        hostRow(
          title,
          samples.map((one) => one[name]),
        ),
      ),
      fioRow(
        "the application's writes, secondary stopped for 5 s",
        samples.map((one) => one.stopped.completion),
      ),
    ],
    samples,
    targets:
      recoveryPoint === null ? [] : [{ id: 'recovery-point-p99', spread: recoveryPoint, note: 'from the oldest write of each data set' }],
  };
}

function fioRow(title: string, latencies: readonly (Latency | null)[]): string[] {
  const ms = (of: (latency: Latency) => number): string =>
    shownMedian(spreadOf(latencies.map((latency) => (latency === null ? null : of(latency) / 1000))));
  return [title, ms((one) => one.p50Us), ms((one) => one.p99Us), ms((one) => one.p999Us), ''];
}

function hostRow(title: string, latencies: readonly (RecentLatency | null)[]): string[] {
  const ms = (of: (latency: RecentLatency) => number): string =>
    shownMedian(spreadOf(latencies.map((latency) => (latency === null ? null : of(latency) * 1000))));
  return [title, ms((one) => one.p50Seconds), ms((one) => one.p99Seconds), ms((one) => one.p999Seconds), ms((one) => one.maxSeconds)];
}

function shownMedian(spread: Spread | null): string {
  return spread === null ? '-' : shown(spread.median);
}

/** What a host's resident memory is over what it may have by its limits: backlog or journals, and mapped pages. */
export function memoryOverBytes(sample: SustainedSample, role: (typeof ROLES)[number]): number {
  const { peakBytes, mappedBytes } = sample.memory[role];
  return peakBytes - mappedBytes - (role === 'primary' ? sample.backlogLimitBytes : sample.journalBytes);
}

function hostSection(samples: readonly SustainedSample[]): Section {
  const rows = ROLES.map((role) => {
    const figure = (of: (sample: SustainedSample) => number): string => shownSpread(spreadOf(samples.map(of)));
    return [
      role,
      figure((one) => one.memory[role].peakBytes / MB),
      figure((one) => one.memory[role].mappedBytes / MB),
      figure((one) => one.memory[role].anonymousBytes / MB),
      figure((one) => memoryOverBytes(one, role) / MB),
      figure((one) => one.stallMs[role].started),
      figure((one) => one.stallMs[role].atMost),
      figure((one) => one.stallMs[role].sustained),
    ];
  });
  return {
    title: 'Memory and stalls of the hosts under load',
    notes: [
      'Memory at the most that went. Over the limits: resident peak less mapped pages of the volume, less the limit of unacknowledged bytes (primary) or slots x size (secondary); below 0 when what the limits allow was not used. Stalls are the longest since the host was started, in milliseconds; loading it is one of them, so the column before is a floor of the others.',
    ],
    columns: [
      'host',
      'resident peak, MB',
      'mapped pages, MB',
      'anonymous, MB',
      'over the limits, MB',
      'stall, started',
      'stall, at most',
      'stall, at 70 %',
    ],
    rows,
    samples: [],
    targets: ROLES.flatMap((role): TargetResult[] => {
      const memory = spreadOf(samples.map((one) => memoryOverBytes(one, role) / MB));
      const peak = spreadOf(samples.map((one) => (one.memory[role].peakBytes - one.memory[role].mappedBytes) / MB));
      const started = spreadOf(samples.map((one) => one.stallMs[role].started));
      const stall = spreadOf(samples.map((one) => Math.max(one.stallMs[role].atMost, one.stallMs[role].sustained)));
      return [
        ...(memory === null
          ? []
          : [{ id: `memory-${role}` satisfies TargetId, spread: memory, note: `${shownSpread(peak)} MB resident beside mapped pages` }]),
        ...(stall === null
          ? []
          : [
              {
                id: `stall-${role}` satisfies TargetId,
                spread: stall,
                note: `loading the host, which is in it, had ${shownSpread(started)} ms`,
              },
            ]),
      ];
    }),
  };
}
