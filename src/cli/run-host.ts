/**
 * Run one host in this process: from its config to its end. SIGINT and SIGTERM stop it cleanly; a second one ends it at once, which
 * for a primary is an unclean stop.
 */
import { NodeDisk } from '../disk/node-disk.ts';
import { geometryOf } from '../../journals/geometry.ts';
import { FarshoreError, type ErrorCode } from '../model/errors.ts';
import { LIMITS } from '../model/limits.ts';
import type { StatusReport } from '../model/status.ts';
import { Primary } from '../primary/primary.ts';
import type { PrimaryOptions } from '../primary/primary-options.ts';
import { promote } from '../secondary/promotion.ts';
import { Secondary, type SecondaryOptions } from '../secondary/secondary.ts';
import { readHostState } from '../state/host-state.ts';
import { HostServer, type HostCommands } from '../status/host-server.ts';
import type { Log } from '../status/log.ts';
import type { HostConfig, PrimaryConfig, SecondaryConfig } from './config/host-config.ts';

/** What primary and secondary have in common for whoever runs them. */
interface RunningHost {
  readonly controlSocket: string;
  readonly ended: Promise<{ readonly exitCode: number; readonly code: string; readonly message: string; readonly hint?: string }>;
  status(): StatusReport;
  stop(): Promise<void>;
}

/** Options of a primary from its config. */
export function primaryOptions(config: PrimaryConfig, log: Log, standalone: boolean): PrimaryOptions {
  return {
    disk: new NodeDisk(),
    group: config.group,
    stateDirectory: config.stateDirectory,
    volumes: config.volumes,
    nbdListen: config.nbd.listen,
    replicationListen: config.replication.listen,
    flushReply: config.replication.flush,
    cutPolicy: {
      minAgeMs: config.dataSets.minAgeMs,
      maxAgeMs: config.dataSets.maxAgeMs,
      maxSizeBytes: config.dataSets.maxBytes,
      recordsMax: LIMITS.dataSetRecordsMax,
    },
    backlogLimitBytes: config.backlog.limitBytes,
    objectiveMs: config.objectiveMs,
    standalone,
    log: log.write,
  };
}

/** Options of a secondary from its config. */
export function secondaryOptions(config: SecondaryConfig, log: Log, how: { dial: boolean; standalone: boolean }): SecondaryOptions {
  const { directory, slots, slotBytes } = config.journals;
  return {
    disk: new NodeDisk(),
    group: config.group,
    stateDirectory: config.stateDirectory,
    volumes: config.volumes,
    connect: config.replication.connect,
    links: config.replication.links,
    journals: { directory, geometry: geometryOf({ slots, slotBytes }) },
    nbdListen: config.nbd.listen,
    objectiveMs: config.objectiveMs,
    ...how,
    log: log.write,
  };
}

/** Start the host, say where it listens, and return when it was stopped. @throws the refusal or failure that ended it */
export async function runHost(config: HostConfig, options: { log: Log; standalone: boolean }): Promise<void> {
  const { log } = options;
  const state = readHostState(new NodeDisk(), config.stateDirectory);
  // Only a promotion changes a role; any other difference is refused.
  if (state.role !== config.role && state.condition === 'promoted')
    log.write('warn', `the config says ${config.role}, but the durable state says ${state.role} (${state.condition}): the state decides`);
  const { host, commands } = config.role === 'primary' ? await startPrimary(config, options) : await startSecondary(config, options);
  const server = new HostServer({
    status: () => ({ ...host.status(), statusPage: { addresses: server.addresses() } }),
    commands: { ...commands, stop: async () => void stopSoon() },
    controlSocket: host.controlSocket,
    listen: config.status.listen,
  });
  let stopAsked: () => void = () => {};
  const asked = new Promise<null>((resolve) => {
    stopAsked = () => resolve(null);
  });
  const stopSoon = (): void => {
    setImmediate(stopAsked);
  };
  const unlisten = onSignals(stopAsked, log);
  try {
    await server.start();
    const report = host.status();
    log.write('info', `farshore ${report.role} of group ${report.group} runs`, {
      pid: process.pid,
      nbd: report.nbd?.addresses,
      replication: report.replication?.addresses,
      status: server.addresses(),
    });
    const end = await Promise.race([asked, host.ended]);
    log.write('info', end === null ? 'stopping' : `ending: ${end.message}`);
    await host.stop();
    if (end !== null)
      throw new FarshoreError(end.code as ErrorCode, end.message, {
        exitCode: end.exitCode as 5,
        ...(end.hint === undefined ? {} : { hint: end.hint }),
      });
    log.write('info', 'stopped');
  } finally {
    server.stop();
    await host.stop();
    unlisten();
  }
}

async function startPrimary(
  config: PrimaryConfig,
  options: { log: Log; standalone: boolean },
): Promise<{ host: RunningHost; commands: HostCommands }> {
  const primary = await Primary.start(primaryOptions(config, options.log, options.standalone));
  return { host: primary, commands: { detach: async (body) => primary.detach({ dryRun: body.dryRun === true }) } };
}

async function startSecondary(
  config: SecondaryConfig,
  options: { log: Log; standalone: boolean },
): Promise<{ host: RunningHost; commands: HostCommands }> {
  const secondary = await Secondary.start(secondaryOptions(config, options.log, { dial: true, standalone: options.standalone }));
  return {
    host: secondary,
    commands: { promote: (body) => promote(secondary, { force: body.force === true, dryRun: body.dryRun === true }) },
  };
}

function onSignals(stop: () => void, log: Log): () => void {
  let asked = 0;
  const handler = (signal: NodeJS.Signals): void => {
    asked += 1;
    if (asked > 1) process.exit(1);
    log.write('info', `${signal}: stopping; a second signal ends at once`);
    stop();
  };
  process.on('SIGINT', handler);
  process.on('SIGTERM', handler);
  return () => {
    process.off('SIGINT', handler);
    process.off('SIGTERM', handler);
  };
}
