/** The rates as bars with min-max whiskers: one SVG, readable on light and on dark ground, without scripts or fonts of its own. */
import type { BenchResults } from '../support/results.ts';
import { WORKLOADS } from '../workloads.ts';
import { shown } from './numbers.ts';
import { placesOf, samplesAt, serversOf, spreadAt } from './summary.ts';

const WIDTH = 860;
const LABEL_WIDTH = 190;
const VALUE_WIDTH = 160;
const BAR_HEIGHT = 14;
const BAR_STEP = 18;
const TITLE_HEIGHT = 26;
const GROUP_GAP = 14;
const HEAD_HEIGHT = 64;
/** Enough contrast on white and on black; a server has its own in every chart. */
const COLOURS: Readonly<Record<string, string>> = {
  farshore: '#2f81f7',
  'nbdkit-file': '#8b949e',
  'nbdkit-memory': '#b08800',
  'qemu-nbd': '#db6d28',
  'mirror-background': '#a371f7',
  'mirror-write-blocking': '#57ab5a',
};
const OTHER_COLOUR = '#8b949e';
const STYLE =
  'text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}.note,.line{fill:#57606a}.whisker{stroke:#24292f;stroke-width:1.2}' +
  '@media(prefers-color-scheme:dark){text{fill:#e6edf3}.note{fill:#9da7b3}.whisker{stroke:#e6edf3}}';

/** Draw the median rate of every server in every cell; each group has its own scale. */
export function renderChart(results: BenchResults): string {
  const { samples, machine, options } = results;
  const servers = serversOf(samples);
  const parts: string[] = [];
  let y = HEAD_HEIGHT;
  for (const place of placesOf(samples)) {
    const title = WORKLOADS.find(({ name }) => name === place.workload)?.title ?? place.workload;
    const bars = servers.flatMap((server) => {
      const spread = spreadAt(samplesAt(samples, place, server), ({ operationsPerSecond }) => operationsPerSecond);
      return spread === null ? [] : [{ server, spread, colour: COLOURS[server] ?? OTHER_COLOUR }];
    });
    const most = Math.max(...bars.map(({ spread }) => spread.max));
    const scale = (value: number): number => (value / most) * (WIDTH - LABEL_WIDTH - VALUE_WIDTH);
    parts.push(text(8, y + 14, `${title}, volume ${place.state}`, 'title'));
    y += TITLE_HEIGHT;
    for (const { server, spread, colour } of bars) {
      const middle = y + BAR_HEIGHT / 2;
      const [low, high] = [LABEL_WIDTH + scale(spread.min), LABEL_WIDTH + scale(spread.max)];
      parts.push(
        text(LABEL_WIDTH - 8, y + 11, server, 'name', 'end'),
        `<rect x="${LABEL_WIDTH}" y="${y}" width="${fixed(scale(spread.median))}" height="${BAR_HEIGHT}" rx="2" fill="${colour}"/>`,
        `<path class="whisker" fill="none" d="M${fixed(low)} ${middle}H${fixed(high)}M${fixed(low)} ${middle - 4}v8M${fixed(high)} ${middle - 4}v8"/>`,
        text(high + 8, y + 11, `${shown(spread.median)}/s`),
      );
      y += BAR_STEP;
    }
    y += GROUP_GAP;
  }
  const head = [
    text(8, 20, 'Operations per second: medians, whiskers from least to most', 'title'),
    text(
      8,
      40,
      `${options.rounds} rounds of ${options.seconds} s, ${machine.cores} x ${machine.cpuModel}, Linux ${machine.kernel}`,
      'note',
    ),
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img" aria-label="Operations per second of Farshore and its peers">`,
    `<style>${STYLE}</style>`,
    ...head,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

function text(x: number, y: number, content: string, name = 'value', anchor = 'start'): string {
  return `<text x="${fixed(x)}" y="${fixed(y)}" class="${name}" text-anchor="${anchor}">${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function fixed(value: number): string {
  return String(Math.round(value * 10) / 10);
}
