/** Farshore as a server of the bench: a primary and a secondary. */
import { FarshoreHosts, type HostRole } from '../support/farshore-hosts.ts';
import type { BenchScope } from '../support/bench-scope.ts';
import type { Server, ServerOptions } from './server.ts';

/** Start both hosts with a blank volume. @throws BenchError */
export async function startFarshore(scope: BenchScope, { sizeMiB, cgroup }: ServerOptions): Promise<Server> {
  const hosts = new FarshoreHosts(scope, { sizeMiB, primaryCgroup: cgroup });
  await hosts.start();
  return {
    uri: hosts.uri,
    processes: hosts.processes,
    volumePath: hosts.volumePath('primary'),
    copyPath: hosts.volumePath('secondary'),
    settle: () => hosts.settle(),
    drain: () => hosts.drain(),
    stallMs: async () => {
      const found: Record<string, number> = {};
      for (const role of ['primary', 'secondary'] satisfies HostRole[]) {
        const { eventLoop } = await hosts.status(role);
        if (eventLoop !== null) found[role] = eventLoop.longestStallLastMinuteSeconds * 1000;
      }
      return Object.keys(found).length === 0 ? null : found;
    },
    stop: async () => {
      await hosts.stop();
      scope.removeFolder(hosts.folder);
    },
  };
}
