/** The summary for people. */
import type { Counters } from './host.ts';
import type { RunOptions } from './runner.ts';
import type { SimulationSummary } from './summary.ts';

const ROWS: readonly (readonly [string, readonly (keyof Counters)[]])[] = [
  ['application', ['writes', 'flushes', 'dataSets']],
  ['crashes', ['crashes', 'powerCuts', 'kills', 'primaryKills', 'cleanStops']],
  ['recovery', ['recoveries', 'promotions', 'promotionCrashes', 'restored']],
  ['links', ['linkLosses', 'partitions', 'duplicates', 'corrupted', 'resends', 'rejects']],
  ['handshakes', ['handshakesAgreed', 'handshakesRefused', 'handshakesWaiting']],
  ['peer', ['mirrored', 'acknowledgedByPeer', 'fetches', 'peerCrashes', 'regionsLost', 'doubleLosses', 'takeovers']],
  ['disks', ['diskFailures', 'slowDisks', 'mended', 'failedHosts', 'clockJumps']],
  ['judged', ['statesJudged', 'acknowledged', 'steps']],
];

export function summaryText(summary: SimulationSummary): string {
  const { seeds, seconds, seedsPerSecond, counters, stories, failures } = summary;
  const rate = seconds === 0 ? '' : ` in ${seconds.toFixed(1)} s, ${seedsPerSecond.toFixed(0)} a second`;
  const lines = [
    `${seeds} seed${seeds === 1 ? '' : 's'}${rate}: ${failures.length === 0 ? 'no promise was broken' : `${failures.length} broke a promise`}`,
  ];
  for (const [name, keys] of ROWS) lines.push(`  ${name.padEnd(12)} ${keys.map((key) => `${wordsOf(key)} ${counters[key]}`).join(', ')}`);
  lines.push(
    `  ${'stories'.padEnd(12)} ${Object.entries(stories)
      .map(([story, count]) => `${story} ${count}`)
      .join(', ')}`,
  );
  for (const failure of failures) {
    lines.push('', `seed ${failure.seed} (${failure.story}), step ${failure.step}: ${failure.message}`, `  again: ${failure.command}`);
  }
  return lines.join('\n');
}

/** Progress about once a second; on a terminal one line that is written over. */
export function progressLine(write: (text: string) => void, terminal: boolean): RunOptions['onProgress'] {
  let toldAtMs = -Infinity;
  return ({ done, total, seedsPerSecond, failures }) => {
    const nowMs = performance.now();
    if (done < total && nowMs - toldAtMs < (terminal ? 200 : 5_000)) return;
    toldAtMs = nowMs;
    const leftSeconds = (total - done) / Math.max(seedsPerSecond, 0.001);
    const text = `${done} of ${total} seeds, ${seedsPerSecond.toFixed(0)} a second, ${leftSeconds.toFixed(0)} s left${failures === 0 ? '' : `, ${failures} failed`}`;
    write(terminal ? `\r\u001B[K${text}${done === total ? '\n' : ''}` : `${text}\n`);
  };
}

function wordsOf(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
