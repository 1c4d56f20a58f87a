/** A folder for copies that is gone afterwards, also when the process is interrupted. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Run with an empty folder; `parent`: where there is room for it. */
export async function withTemporaryFolder<Result>(work: (folder: string) => Promise<Result>, parent = tmpdir()): Promise<Result> {
  const folder = mkdtempSync(join(parent, 'farshore-replay-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  const interrupted = (signal: NodeJS.Signals): void => {
    remove();
    unlisten();
    // With nobody listening any more, the signal does what it does without us.
    process.kill(process.pid, signal);
  };
  const unlisten = (): void => {
    process.off('exit', remove);
    for (const signal of SIGNALS) process.off(signal, interrupted);
  };
  process.once('exit', remove);
  for (const signal of SIGNALS) process.once(signal, interrupted);
  try {
    return await work(folder);
  } finally {
    unlisten();
    remove();
  }
}
