/** Results made up for tests. */
import type { BenchResults, Sample } from '../../bench/support/results.ts';

export function sampleOf(given: Partial<Sample>): Sample {
  return {
    round: 0,
    server: 'farshore',
    state: 'large',
    workload: 'write-4k-32',
    operations: 1000,
    flushes: 0,
    operationsPerSecond: 1000,
    megabytesPerSecond: 4.096,
    completion: { p50Us: 10, p99Us: 20, p999Us: 30 },
    readCompletion: null,
    sync: null,
    cpuUsPerOperation: { primary: 10, secondary: 20, fio: 5 },
    rssPeakBytes: { primary: 1e8, secondary: 2e8 },
    writtenPerByte: 2.5,
    deviceWrittenPerByte: 2.6,
    settleMs: 12,
    stallMs: null,
    ...given,
  };
}

export function resultsOf(given: Partial<BenchResults>): BenchResults {
  return {
    failure: null,
    machine: {
      cpuModel: 'A <fast> & cheap CPU',
      cores: 2,
      memoryBytes: 24 * 1024 ** 3,
      kernel: '6.18',
      fileSystem: 'ext4',
      node: 'v20.20.2',
      tools: {
        fio: 'fio-3.33',
        nbdkit: null,
        'qemu-nbd': null,
        'qemu-storage-daemon': null,
        nbdcopy: null,
        rsync: null,
        cmp: 'cmp 3.8',
        dd: null,
        sync: null,
        fincore: null,
      },
      revision: 'abc',
      loadAverage: [0.1, 0.2, 0.3],
      time: '2026-11-23T00:00:00.000Z',
    },
    options: { quick: true, rounds: 3, seconds: 1, sizeMiB: 64 },
    samples: [],
    comparisons: [],
    copies: [],
    ratios: [],
    sections: [],
    targets: [],
    skipped: [],
    ...given,
  };
}
