/** Farshore as a server of the bench: a primary and a secondary. */
import { FarshoreHosts, type HostRole } from '../support/farshore-hosts.ts';
import type { BenchScope } from '../support/bench-scope.ts';
import type { Server } from './server.ts';

/** Start both hosts with a blank volume. @throws BenchError */
export async function startFarshore(scope: BenchScope, sizeMiB: number): Promise<Server> {
  const hosts = new FarshoreHosts(scope, { sizeMiB });
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
        const stall = longestStallMs(await hosts.status(role));
        if (stall !== null) found[role] = stall;
      }
      return Object.keys(found).length === 0 ? null : found;
    },
    stop: async () => {
      await hosts.stop();
      scope.removeFolder(hosts.folder);
    },
  };
}

/** Read the longest stall from a host's status; null where the host does not measure it. */
function longestStallMs(status: object): number | null {
  const { eventLoop } = status as { eventLoop?: { longestStallMs?: number } | null };
  return eventLoop?.longestStallMs ?? null;
}
