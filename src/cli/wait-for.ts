import { FarshoreError, UsageError } from '../model/errors.ts';
import type { StatusReport } from '../model/status.ts';
import { askStatus, type HostTarget } from './control-client.ts';

export type WaitGoal = 'drained' | 'replicating' | 'consistent' | 'promoted';

const POLL_MS = 50;

/**
 * Wait until a host's status fulfils the goal. `drained` means what was written before the call: everything through the newest
 * number at the first look is destaged at the far side. A host that does not answer yet is waited for too.
 * @throws FarshoreError ERR_WAIT_TIMEOUT (exit 1); UsageError ERR_ROLE for what a peer never is
 */
export async function waitFor(target: HostTarget, options: { goal: WaitGoal; timeoutMs: number }): Promise<StatusReport> {
  const deadline = performance.now() + options.timeoutMs;
  let newestAtFirst: number | null = null;
  let last = 'no host answers';
  for (;;) {
    const report = await askStatus(target).catch((error: unknown) => {
      last = String(error);
      return null;
    });
    if (report !== null) {
      if (report.role === 'peer' && options.goal !== 'replicating') throw notOfAPeer(options.goal);
      newestAtFirst ??= Number(report.sequence.open ?? -1);
      if (isThere(report, options.goal, newestAtFirst)) return report;
      last = `${report.state}${report.reason === null ? '' : ` (${report.reason})`}, ${report.behind.dataSets} data sets behind`;
    }
    if (performance.now() > deadline) {
      throw new FarshoreError('ERR_WAIT_TIMEOUT', `not ${options.goal} after ${options.timeoutMs / 1000} s; last seen: ${last}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function notOfAPeer(goal: WaitGoal): UsageError {
  return new UsageError('ERR_ROLE', `a peer is never ${goal}: it keeps records for its secondary, and no copy`, {
    hint: 'ask the secondary; a peer can be waited for with "--for replicating", and is a secondary after "farshore takeover"',
  });
}

function isThere(report: StatusReport, goal: WaitGoal, newestAtFirst: number): boolean {
  switch (goal) {
    case 'drained': {
      const linked = report.links.some((link) => link.up);
      return linked && (report.behind.dataSets === 0 || Number(report.sequence.destaged ?? -1) >= newestAtFirst);
    }
    case 'replicating':
      return ['replicating', 'throttled', 'degraded'].includes(report.state) && report.links.some((link) => link.up);
    case 'consistent':
      return report.consistentAt !== null;
    case 'promoted':
      return report.state === 'promoted';
  }
}
