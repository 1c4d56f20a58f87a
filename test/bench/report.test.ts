/** What a reader gets: tables that hide nothing, and a chart that is well-formed. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { exitCodeOf } from '../../bench/bench.ts';
import { renderChart } from '../../bench/report/chart.ts';
import { renderMarkdown, targetTable } from '../../bench/report/markdown.ts';
import { shown, shownSpread } from '../../bench/report/numbers.ts';
import { ratiosOf, targetsOf } from '../../bench/report/summary.ts';
import { TARGETS } from '../../bench/support/targets.ts';
import { withFolder } from '../support/scratch.ts';
import { needsTools } from '../support/tools.ts';
import { resultsOf, sampleOf } from './samples.ts';

const samples = [0, 1, 2].flatMap((round) => [
  sampleOf({
    round,
    operationsPerSecond: 30_000 + 1000 * round,
    sync: { p50Us: 1, p99Us: 2, p999Us: 3 },
    stallMs: { primary: 7, secondary: 9 },
  }),
  sampleOf({
    round,
    server: 'nbdkit-file',
    operationsPerSecond: 20_000,
    settleMs: null,
    cpuUsPerOperation: { server: 25, fio: 6 },
    rssPeakBytes: { server: 5e6 },
  }),
  sampleOf({ round, workload: 'mixed-16k-32', readCompletion: { p50Us: 111, p99Us: 222, p999Us: 333 } }),
]);
const ratios = ratiosOf(samples);
const comparison = { round: 0, server: 'farshore', state: 'large', equal: true, difference: null };

test('numbers have three digits, and spreads their range', () => {
  assert.equal([123_456, 12.345, 1.2345, 0.12345, 0.012345, 0].map(shown), ['123456', '12.3', '1.23', '0.123', '0.0123', '0']);
  assert.is(shownSpread({ median: 2, min: 1, max: 3, count: 3 }, ' us'), '2.00 us (1.00-3.00)');
  assert.is(shownSpread({ median: -2, min: -10, max: -1, count: 3 }, ' MB'), '-2.00 MB (-10.0 to -1.00)');
  assert.is(shownSpread(null), '-');
});

test('the report shows rates, ratios, latencies, CPU, memory, bytes, the machine and what was skipped', () => {
  const text = renderMarkdown(
    resultsOf({
      samples,
      ratios,
      comparisons: [comparison],
      copies: [{ round: 0, way: 'rsync', megabytesPerSecond: 345.6 }],
      targets: targetsOf(samples, ratios),
      sections: [{ title: 'A layer', notes: ['noted'], columns: ['a', 'b'], rows: [['1', '2|3']], samples: [], targets: [] }],
      skipped: [{ name: 'qemu-nbd', why: 'needs qemu-nbd' }],
    }),
  );
  for (const expected of [
    '| 4k random write, depth 32 | large | 31000 (30000-32000) | 20000 (20000-20000) |',
    '| 4k random write, depth 32 | large | 1.55 (1.50-1.60) |',
    '| 4k random write, depth 32 | large | 10.0 / 20.0 / 30.0 | 10.0 / 20.0 / 30.0 |',
    '| 4k random write, depth 32 | large | 1.00 / 2.00 / 3.00 | - |',
    '| 16k random, 70 % reads, depth 32 | large | 111 / 222 / 333 | - |',
    '| 4k random write, depth 32 | large | nbdkit-file | server 25.0 (25.0-25.0), fio 6.00 (6.00-6.00) | server 5.00 (5.00-5.00) |',
    '| 4k random write, depth 32 | large | 7.00 (7.00-7.00) | 9.00 (9.00-9.00) |',
    '| rsync | rsync --whole-file --fsync, file to file | 346 |',
    '| 1 | 2\\|3 |',
    '- qemu-nbd: needs qemu-nbd',
    '| replicated 4k random write, depth 32, against nbdkit file | 1.55 (1.50-1.60) | 0.9 | 1.2 | goal reached |',
    'compared byte by byte 1 times: equal each time',
    'A <fast> & cheap CPU',
    'nbdkit: missing',
    '**quick run**',
  ]) {
    assert.ok(text.includes(expected), `${expected}\nis not in\n${text}`);
  }
});

test('every row of the target table is shown, measured or not', () => {
  const text = targetTable([{ id: 'recovery', spread: { median: 0.1, min: 0.1, max: 0.1, count: 1 }, note: 'cold' }]);
  for (const { measure } of TARGETS) assert.ok(text.includes(`| ${measure} |`), measure);
  assert.ok(text.includes('| 0.100 GB/s; cold | 0.5 GB/s | 1 GB/s | **MISSED** |'), text);
  assert.is(text.split('not measured in this run').length - 1, TARGETS.length - 1);
});

test('a copy that differs fails the run in big letters', () => {
  const results = resultsOf({
    samples,
    ratios,
    comparisons: [comparison, { ...comparison, equal: false, difference: 'differ: byte 4097' }],
  });
  assert.is(exitCodeOf(results), 1);
  const text = renderMarkdown(results);
  assert.match(text, /^# THE COPY DIFFERS: THIS RUN FAILED$/m);
  assert.match(text, /round 1, farshore, large: differ: byte 4097/);
  assert.is(exitCodeOf(resultsOf({ comparisons: [comparison] })), 0);
});

test('a run that ended early says so', () => {
  const results = resultsOf({ failure: 'layers: no luck' });
  assert.is(exitCodeOf(results), 1);
  assert.match(renderMarkdown(results), /^# THIS RUN ENDED EARLY\n\nlayers: no luck$/m);
});

test('the chart is in itself complete: one bar and one whisker per cell and server, nothing outside, text escaped', () => {
  const svg = renderChart(resultsOf({ samples, ratios }));
  assert.is(svg.split('<rect ').length - 1, 3);
  assert.is(svg.split('class="whisker"').length - 1, 3);
  assert.ok(svg.includes('A &lt;fast&gt; &amp; cheap CPU'));
  assert.ok(svg.includes('prefers-color-scheme:dark'));
  assert.not.match(svg, /NaN|undefined|Infinity|-\d+(?:\.\d+)?" height/);
  const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg) ?? [];
  for (const [, x, y, barWidth] of svg.matchAll(/<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"/g)) {
    assert.ok(Number(x) + Number(barWidth) <= Number(width) && Number(y) < Number(height));
  }
});

needsTools(test, 'python3')('the chart is well-formed XML', async () => {
  await withFolder((folder) => {
    const path = join(folder, 'chart.svg');
    writeFileSync(path, renderChart(resultsOf({ samples, ratios })));
    const parse = 'import sys, xml.dom.minidom as x; print(x.parse(sys.argv[1]).documentElement.tagName)';
    assert.is(execFileSync('python3', ['-c', parse, path], { encoding: 'utf8' }).trim(), 'svg');
  });
});

test.run();
