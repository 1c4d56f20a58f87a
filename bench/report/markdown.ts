/** The results as Markdown tables. */
import { SERVER_KINDS } from '../servers/kinds.ts';
import type { BenchResults, Ratio, Sample } from '../support/results.ts';
import { spreadOf, type Spread } from '../support/statistics.ts';
import { judge, TARGETS, type Target, type TargetResult } from '../support/targets.ts';
import { COPY_WAYS } from '../bulk-copy.ts';
import { WORKLOADS } from '../workloads.ts';
import { shown, shownSpread } from './numbers.ts';
import { OURS, placesOf, samplesAt, serversOf, spreadAt, type Place } from './summary.ts';

const GIB = 1024 ** 3;
const MB = 1e6;

/** Render everything. */
export function renderMarkdown(results: BenchResults): string {
  const blocks = [
    '# Side by side',
    ...machineLines(results),
    ...(results.failure === null ? [] : [`# THIS RUN ENDED EARLY\n\n${results.failure}`]),
    comparisonLine(results),
    ...(results.samples.length === 0 ? [] : sideBySide(results)),
    ...(results.copies.length === 0 ? [] : ['## A whole volume copied', copyTable(results)]),
    ...results.sections.flatMap(({ title, notes, columns, rows }) => [`## ${title}`, ...notes, table(columns, rows)]),
    '## What issue 6 asks for',
    'Judged by the median; `min-max` over the rounds stands behind it. The volumes of the rates against peers are in state large.',
    targetTable(results.targets),
    ...(results.skipped.length === 0 ? [] : ['## Not measured', results.skipped.map(({ name, why }) => `- ${name}: ${why}`).join('\n')]),
  ];
  return `${blocks.join('\n\n')}\n`;
}

function machineLines({ machine, options }: BenchResults): string[] {
  const { cpuModel, cores, memoryBytes, kernel, fileSystem, node, tools, revision, loadAverage, time } = machine;
  const versions = Object.entries(tools).map(([name, version]) => `${name}: ${version ?? 'missing'}`);
  return [
    [
      `${time}, revision ${revision ?? 'unknown'}; ${options.quick ? '**quick run**, ' : ''}${options.rounds} rounds, ${options.seconds} s per workload, volume ${options.sizeMiB} MiB.`,
      `${cores} x ${cpuModel}, ${(memoryBytes / GIB).toFixed(1)} GiB, Linux ${kernel}, ${fileSystem}, Node ${node}.`,
      `Load average when it began: ${loadAverage.map((load) => load.toFixed(2)).join(', ')} (a load that is not near 0 means that others used the machine).`,
    ].join('\n'),
    versions.join('; '),
  ];
}

function comparisonLine({ comparisons }: BenchResults): string {
  const different = comparisons.filter(({ equal }) => !equal);
  if (comparisons.length === 0) return 'No copy was compared in this run.';
  if (different.length === 0) return `Volume and copy were compared byte by byte ${comparisons.length} times: equal each time.`;
  const lines = different.map(({ round, server, state, difference }) => `- round ${round + 1}, ${server}, ${state}: ${difference}`);
  return ['# THE COPY DIFFERS: THIS RUN FAILED', '', ...lines].join('\n');
}

function sideBySide({ samples, ratios }: BenchResults): string[] {
  const servers = serversOf(samples);
  const places = placesOf(samples);
  const titles = servers.map((name) => `- **${name}**: ${SERVER_KINDS.find((kind) => kind.name === name)?.title ?? name}`);
  const grid = (figure: (sample: Sample) => number | null | undefined): string =>
    table(
      ['workload', 'volume', ...servers],
      places
        .map((place) => [...namesOf(place), ...servers.map((server) => shownSpread(spreadAt(samplesAt(samples, place, server), figure)))])
        .filter((row) => row.slice(2).some((cell) => cell !== '-')),
    );
  return [
    titles.join('\n'),
    'Every figure is the median over the rounds, with min-max.',
    '## Operations per second',
    grid(({ operationsPerSecond }) => operationsPerSecond),
    '## MB per second',
    grid(({ megabytesPerSecond }) => megabytesPerSecond),
    '## Farshore over its peers',
    'Divided pair by pair within a round; above 1 Farshore is faster.',
    ratioTable(ratios, places, servers),
    '## Latency of completion, microseconds: p50 / p99 / p99.9 (medians of the rounds)',
    latencyTable(samples, places, servers, (sample) => sample.completion),
    '## Latency of flushes, microseconds: p50 / p99 / p99.9 (medians of the rounds)',
    latencyTable(samples, places, servers, (sample) => sample.sync),
    '## Latency of reads in mixed workloads, microseconds: p50 / p99 / p99.9 (medians of the rounds)',
    latencyTable(
      samples.filter(({ workload }) => workload.startsWith('mixed')),
      places,
      servers,
      (sample) => sample.readCompletion,
    ),
    '## CPU per operation, microseconds, and most resident memory, MB, of every process',
    processTable(samples, places, servers),
    '## Bytes written to the disk per byte that the application wrote',
    'Of all processes of a server together, by /proc/PID/io (`write_bytes` less `cancelled_write_bytes`) from a sync of its files before to a sync after. The kernel counts pages when they become dirty, whole large folios at that; direct writes (journals) as they are.',
    grid(({ writtenPerByte }) => writtenPerByte),
    "The same by the disk's own count of sectors written, which is what reached it, whoever wrote it: others on the machine are in it.",
    grid(({ deviceWrittenPerByte }) => deviceWrittenPerByte),
    '## Milliseconds from the last reply until the copy was even',
    grid(({ settleMs }) => settleMs),
    ...stallBlocks(samples, places),
  ];
}

function namesOf({ state, workload }: Place): [string, string] {
  return [WORKLOADS.find(({ name }) => name === workload)?.title ?? workload, state];
}

function ratioTable(ratios: readonly Ratio[], places: readonly Place[], servers: readonly string[]): string {
  const peers = servers.filter((server) => server !== OURS);
  const rows = places.map((place) => [
    ...namesOf(place),
    ...peers.map((peer) =>
      shownSpread(ratios.find((one) => one.peer === peer && one.state === place.state && one.workload === place.workload)?.spread ?? null),
    ),
  ]);
  return table(['workload', 'volume', ...peers], rows);
}

function latencyTable(
  samples: readonly Sample[],
  places: readonly Place[],
  servers: readonly string[],
  latencyOf: (sample: Sample) => Sample['completion'],
): string {
  const rows = places.map((place) => [
    ...namesOf(place),
    ...servers.map((server) => {
      const found = samplesAt(samples, place, server)
        .map(latencyOf)
        .filter((latency) => latency !== null);
      const middle = (figure: (latency: (typeof found)[number]) => number): string => {
        const spread = spreadOf(found.map(figure));
        return spread === null ? '-' : shown(spread.median);
      };
      return found.length === 0
        ? '-'
        : [middle(({ p50Us }) => p50Us), middle(({ p99Us }) => p99Us), middle(({ p999Us }) => p999Us)].join(' / ');
    }),
  ]);
  return table(
    ['workload', 'volume', ...servers],
    rows.filter((row) => row.slice(2).some((cell) => cell !== '-')),
  );
}

function processTable(samples: readonly Sample[], places: readonly Place[], servers: readonly string[]): string {
  const rows = places.flatMap((place) =>
    servers.flatMap((server) => {
      const found = samplesAt(samples, place, server);
      const [first] = found;
      if (first === undefined) return [];
      const each = (
        roles: readonly string[],
        figure: (sample: Sample, role: string) => Spread | number | undefined,
        scale: number,
      ): string =>
        roles
          .map((role) => {
            const spread = spreadAt(found, (sample) => {
              const value = figure(sample, role);
              return typeof value === 'number' ? value / scale : null;
            });
            return `${role} ${shownSpread(spread)}`;
          })
          .join(', ');
      return [
        [
          ...namesOf(place),
          server,
          each(Object.keys(first.cpuUsPerOperation), (sample, role) => sample.cpuUsPerOperation[role], 1),
          each(Object.keys(first.rssPeakBytes), (sample, role) => sample.rssPeakBytes[role], MB),
        ],
      ];
    }),
  );
  return table(['workload', 'volume', 'server', 'CPU, us per operation', 'resident peak, MB'], rows);
}

function stallBlocks(samples: readonly Sample[], places: readonly Place[]): string[] {
  const rows = places.flatMap((place) => {
    const found = samplesAt(samples, place, OURS);
    const cells = (['primary', 'secondary'] as const).map((role) => shownSpread(spreadAt(found, ({ stallMs }) => stallMs?.[role])));
    return cells.every((cell) => cell === '-') ? [] : [[...namesOf(place), ...cells]];
  });
  if (rows.length === 0) return [];
  return [
    "## Longest stall of Farshore's event loops, milliseconds",
    'As the hosts say it after the workload: of the last minute, so of the workloads before it too.',
    table(['workload', 'volume', 'primary', 'secondary'], rows),
  ];
}

function copyTable({ copies }: BenchResults): string {
  const ways = [...new Set(copies.map(({ way }) => way))];
  return table(
    ['way', 'what is done', 'MB/s'],
    ways.map((way) => [
      way,
      COPY_WAYS.find(({ name }) => name === way)?.title ?? way,
      shownSpread(spreadOf(copies.filter((copy) => copy.way === way).map(({ megabytesPerSecond }) => megabytesPerSecond))),
    ]),
  );
}

/** Render the table of issue 6, every row of it. */
export function targetTable(results: readonly TargetResult[]): string {
  return table(
    ['measure', 'measured', 'must', 'goal', 'verdict'],
    TARGETS.map((target) => {
      const result = results.find(({ id }) => id === target.id);
      const measured = shownSpread(result?.spread ?? null, target.unit);
      return [
        target.measure,
        result?.note === undefined ? measured : `${measured}; ${result.note}`,
        `${target.must}${target.unit}`,
        `${target.goal}${target.unit}`,
        verdictText(target, result),
      ];
    }),
  );
}

function verdictText(target: Target, result: TargetResult | undefined): string {
  switch (judge(target, result)) {
    case 'goal':
      return 'goal reached';
    case 'must':
      return 'must reached';
    case 'missed':
      return '**MISSED**';
    case 'not measured':
      return 'not measured in this run';
  }
}

function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(columns), line(columns.map(() => '---')), ...rows.map(line)].join('\n');
}
