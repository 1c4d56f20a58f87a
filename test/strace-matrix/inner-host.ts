/**
 * The host beside the one under strace, and every host of the check afterwards, run in this process: production code over real
 * disks and sockets, at a tenth of what a process costs to start. Only the host that meets the fault must be a process.
 */
import { loadConfig } from '../../src/cli/config/load-config.ts';
import type { PrimaryConfig, SecondaryConfig } from '../../src/cli/config/host-config.ts';
import { primaryOptions, secondaryOptions } from '../../src/cli/host-options.ts';
import { errnoOf, FarshoreError, messageOf } from '../../src/model/errors.ts';
import type { HistoryPoint } from '../../src/model/ids.ts';
import type { StatusReport } from '../../src/model/status.ts';
import { Primary } from '../../src/primary/primary.ts';
import { promote } from '../../src/secondary/promotion.ts';
import { Secondary } from '../../src/secondary/secondary.ts';
import { readHostState } from '../../src/state/host-state.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import type { Log } from '../../src/status/log.ts';
import type { Host } from '../support/host-process.ts';

/** A log that keeps its lines. */
export function keptLog(lines: string[]): Log {
  return {
    debugOn: false,
    write: (level, message, fields) => void lines.push(`${level} ${message}${fields === undefined ? '' : ` ${JSON.stringify(fields)}`}`),
    end: () => Promise.resolve(),
  };
}

export async function startPrimary(host: Host, lines: string[], how: { readonly standalone?: boolean } = {}): Promise<Primary> {
  host.writeConfig();
  const config = (await loadConfig(host.configPath)) as PrimaryConfig;
  return Primary.start(primaryOptions(config, keptLog(lines), how.standalone === true));
}

export async function startSecondary(host: Host, lines: string[], how: { readonly dial?: boolean } = {}): Promise<Secondary> {
  host.writeConfig();
  const config = (await loadConfig(host.configPath)) as SecondaryConfig;
  return Secondary.start(secondaryOptions(config, keptLog(lines), { dial: how.dial !== false, standalone: false }));
}

/** How many requests of the history are in data sets up to this one: every data set has one sync command, and no other number is lost. */
export function requestsThrough(point: Pick<HistoryPoint, 'dataSet' | 'finalSequence'> | null): number {
  return point === null ? 0 : point.finalSequence - point.dataSet;
}

/** The same from what a status says was acknowledged complete. */
export function acknowledgedIn({ dataSets, sequence }: StatusReport): number {
  if (dataSets.acknowledged === null || sequence.acknowledged === null) return 0;
  return Number(sequence.acknowledged) - Number(dataSets.acknowledged);
}

/** Promote a stopped secondary, or finish what was begun; the requests that it keeps. @throws what promotion throws */
export async function promoteStopped(host: Host, lines: string[]): Promise<number> {
  const secondary = await startSecondary(host, lines, { dial: false });
  try {
    if (secondary.state.condition !== 'promoted') {
      const report = await promote(secondary, { force: false, dryRun: false });
      if (!report.promoted) throw new FarshoreError('ERR_PROMOTION_BLANK', 'this secondary never met a primary: there is no copy');
    }
  } finally {
    await secondary.stop();
  }
  return requestsThrough(readHostState(new NodeDisk(), host.stateDirectory).divergedFrom);
}

/** `ERR_` code of anything thrown, or what it is instead. */
export function codeOfThrown(thrown: unknown): string {
  return thrown instanceof FarshoreError ? thrown.code : `${errnoOf(thrown) ?? 'no code'}: ${messageOf(thrown)}`;
}
