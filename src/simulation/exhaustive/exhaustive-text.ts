/** Summary and progress of the small worlds, for people. */
import type { ExhaustiveOptions, ExhaustiveSummary } from './exhaustive.ts';

export function exhaustiveText(summary: ExhaustiveSummary): string {
  const { seconds, violations } = summary;
  const verdict = violations.length === 0 ? 'no promise was broken' : `${violations.length} worlds broke a promise`;
  const lines = [
    `${summary.statesJudged} crash states judged in ${seconds.toFixed(1)} s, ${summary.statesPerSecond.toFixed(0)} a second: ${verdict}`,
    `  worlds       histories ${summary.histories}, with their deliveries ${summary.worlds}, crash points ${summary.crashPoints}`,
    `  states       reached ${summary.statesReached}, different ones judged ${summary.statesJudged}`,
    `  of these     after a power cut ${summary.powerCuts}, after a kill ${summary.kills}, after a second crash ${summary.secondCrashes}`,
    `  judged       recoveries ${summary.recoveries}, brought level ${summary.levelled}, promotions ${summary.promotions}`,
  ];
  for (const { world, name, message, path, command } of violations)
    lines.push('', `world ${world} (${name}): ${message}`, ...path.slice(1).map((step) => `  ${step}`), `  again: ${command}`);
  return lines.join('\n');
}

/** Progress after each group; on a terminal one line that is written over. */
export function exhaustiveProgress(write: (text: string) => void, terminal: boolean): ExhaustiveOptions['onProgress'] {
  let toldAtMs = -Infinity;
  return ({ done, total, statesJudged, statesPerSecond, violations }) => {
    const nowMs = performance.now();
    if (done < total && nowMs - toldAtMs < (terminal ? 200 : 5_000)) return;
    toldAtMs = nowMs;
    const broken = violations === 0 ? '' : `, ${violations} broke a promise`;
    const text = `${done} of ${total} groups of histories, ${statesJudged} states, ${statesPerSecond.toFixed(0)} a second${broken}`;
    write(terminal ? `\r\u001B[K${text}${done === total ? '\n' : ''}` : `${text}\n`);
  };
}
