/**
 * One cell: a workload on a server. What the kernel counts is taken before the client begins and when the copy is even again, so a
 * server that answers early and works later pays for all of it.
 */
import { deviceWrittenBytes, readCounters, resetRssPeak, type ProcessCounters } from './support/process-counters.ts';
import type { BenchScope } from './support/bench-scope.ts';
import { runFio } from './support/fio.ts';
import type { Sample } from './support/results.ts';
import { writeReplayLog } from './replay-log.ts';
import type { Server } from './servers/server.ts';
import { syncFiles } from './volume-state.ts';
import type { Workload } from './workloads.ts';

export type CellFigures = Omit<Sample, 'round' | 'server' | 'state' | 'workload'>;

/** Run the workload once. @throws BenchError */
export async function measureCell(
  scope: BenchScope,
  server: Server,
  { workload, seconds, sizeMiB, seed }: { workload: Workload; seconds: number; sizeMiB: number; seed: number },
): Promise<CellFigures> {
  await syncFiles(scope, server);
  const deviceBefore = deviceWrittenBytes(scope.folder);
  for (const { pid } of server.processes.values()) resetRssPeak(pid);
  const before = countersOf(server);
  // The same addresses for every server of a round, others in the next.
  const { flushEvery } = workload;
  const replay = flushEvery === undefined ? {} : { replay: writeReplayLog(scope, { sizeMiB, seconds, flushEvery, seed }) };
  const seeded = flushEvery === undefined ? ['--randrepeat=0', `--randseed=${seed}`] : [];
  const report = await runFio(scope, { uri: server.uri, options: [...workload.options(sizeMiB), ...seeded], seconds, ...replay });
  const answered = performance.now();
  const settleMs = (await server.settle()) - answered;
  for (const process of server.processes.values()) process.assertRuns();
  const cpuAfter = countersOf(server);
  await syncFiles(scope, server);
  const after = countersOf(server);
  const deviceAfter = deviceWrittenBytes(scope.folder);
  const operations = Math.max(1, report.operations);
  const perOperation = (cpuSeconds: number): number => (cpuSeconds / operations) * 1e6;
  const cpuUsPerOperation = Object.fromEntries(
    [...cpuAfter].map(([role, { cpuSeconds }]) => [role, perOperation(cpuSeconds - (before.get(role)?.cpuSeconds ?? 0))]),
  );
  const writtenBytes = [...after].reduce((sum, [role, counters]) => sum + counters.writtenBytes - (before.get(role)?.writtenBytes ?? 0), 0);
  const perByte = (bytes: number): number | null =>
    report.writtenBytes === 0 || server.volumePath === null ? null : bytes / report.writtenBytes;
  return {
    operations: report.operations,
    flushes: report.flushes,
    operationsPerSecond: report.operationsPerSecond,
    megabytesPerSecond: report.megabytesPerSecond,
    completion: report.completion,
    readCompletion: report.readCompletion,
    sync: report.sync,
    cpuUsPerOperation: { ...cpuUsPerOperation, fio: perOperation(report.cpuSeconds) },
    rssPeakBytes: Object.fromEntries([...cpuAfter].map(([role, { rssPeakBytes }]) => [role, rssPeakBytes])),
    writtenPerByte: perByte(writtenBytes),
    deviceWrittenPerByte: deviceBefore === null || deviceAfter === null ? null : perByte(deviceAfter - deviceBefore),
    settleMs: server.copyPath === null ? null : settleMs,
    stallMs: await server.stallMs(),
  };
}

function countersOf(server: Server): Map<string, ProcessCounters> {
  return new Map([...server.processes].map(([role, { pid }]) => [role, readCounters(pid)]));
}
