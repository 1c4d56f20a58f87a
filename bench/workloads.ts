/** What the client does: fio's options, and on which volumes. */

/**
 * How a volume was prepared. The page cache decides about rates, so every server gets the same:
 * `large`: filled through NBD by 1 MiB writes (large folios in the page cache); `small`: by 4 KiB writes (small pages); `cold`: as
 * large, and then dropped from the page cache; `beyond`: as large, with less memory for the page cache than the volume has bytes.
 */
export const STATES = ['large', 'small', 'cold', 'beyond'] as const;
export type VolumeState = (typeof STATES)[number];

export interface Workload {
  readonly name: string;
  readonly title: string;
  readonly states: readonly VolumeState[];
  /** Whether `--quick` has it. */
  readonly quick: boolean;
  readonly options: (sizeMiB: number) => readonly string[];
  /** 4 KiB random writes from a list (replay-log.ts), with a flush after so many. */
  readonly flushEvery?: number;
}

const whole = (sizeMiB: number): string => `--size=${sizeMiB}M`;
const CONNECTIONS = 8;

function simple(name: string, title: string, options: string, more: { quick?: boolean; states?: readonly VolumeState[] } = {}): Workload {
  const { quick = false, states = ['large'] } = more;
  return { name, title, quick, states, options: (sizeMiB) => [...options.split(' '), whole(sizeMiB)] };
}

export const WORKLOADS: readonly Workload[] = [
  simple('write-4k-1', '4k random write, depth 1', '--rw=randwrite --bs=4k --iodepth=1', { states: ['large', 'small'] }),
  simple('write-4k-32', '4k random write, depth 32', '--rw=randwrite --bs=4k --iodepth=32', {
    quick: true,
    states: ['large', 'small', 'cold', 'beyond'],
  }),
  simple('write-4k-128', '4k random write, depth 128', '--rw=randwrite --bs=4k --iodepth=128', { quick: true, states: ['large', 'small'] }),
  {
    name: 'fsync-32',
    title: '4k random write, depth 32, fsync every 32',
    states: ['large'],
    quick: true,
    flushEvery: 32,
    options: (sizeMiB) => ['--iodepth=32', whole(sizeMiB)],
  },
  simple('fsync-1', '4k random write, each flushed', '--rw=randwrite --bs=4k --iodepth=1 --fsync=1'),
  simple('mixed-16k-32', '16k random, 70 % reads, depth 32', '--rw=randrw --rwmixread=70 --bs=16k --iodepth=32'),
  simple('write-64k', '64 KiB sequential write, depth 16', '--rw=write --bs=64k --iodepth=16'),
  simple('write-1m', '1 MiB sequential write, depth 8', '--rw=write --bs=1M --iodepth=8', { quick: true }),
  simple('read-4k-32', '4k random read, depth 32', '--rw=randread --bs=4k --iodepth=32', {
    quick: true,
    states: ['large', 'small', 'cold', 'beyond'],
  }),
  simple('read-1m', '1 MiB sequential read, depth 8', '--rw=read --bs=1M --iodepth=8'),
  {
    name: 'connections-8',
    title: `4k random write, ${CONNECTIONS} connections of depth 16`,
    states: ['large'],
    quick: false,
    options: (sizeMiB) => [
      ...'--rw=randwrite --bs=4k --iodepth=16'.split(' '),
      `--numjobs=${CONNECTIONS}`,
      `--size=${sizeMiB / CONNECTIONS}M`,
      `--offset_increment=${sizeMiB / CONNECTIONS}M`,
    ],
  },
];
