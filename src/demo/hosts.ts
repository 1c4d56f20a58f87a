/** The three hosts of the demo, from nothing to records that flow between them. */
import { askStatus } from '../cli/control-client.ts';
import type { StatusReport } from '../model/status.ts';
import type { DemoProcesses, HostProcess } from './processes.ts';
import { writePeerConfig, writePrimaryConfig, writeSecondaryConfig, type Scene } from './scene.ts';
import { until } from './waits.ts';

const START_MS = 60_000;
const ANY_PORT = '127.0.0.1:0';

export interface Hosts {
  readonly primary: HostProcess;
  readonly secondary: HostProcess;
  readonly peer: HostProcess;
  readonly primaryPage: string;
  readonly secondaryPage: string;
  readonly peerPage: string;
}

/** Run `init` and `start` of all hosts, and wait until they replicate in write-back. */
export async function startHosts(scene: Scene, processes: DemoProcesses): Promise<Hosts> {
  writePrimaryConfig(scene, { replication: ANY_PORT, status: ANY_PORT });
  await processes.succeed(['init', '-c', scene.primary.config]);
  const primary = processes.host(scene.primary);
  const report = await waitForHost(primary, 'the primary to listen for its secondary', ({ replication }) => replication !== null);
  const replication = report.replication?.addresses[0] ?? '';
  const primaryPage = await pageOf(primary);
  writePrimaryConfig(scene, { replication, status: primaryPage });

  writeSecondaryConfig(scene, replication, { peer: ANY_PORT, status: ANY_PORT });
  await processes.succeed(['init', '-c', scene.secondary.config]);
  const secondary = processes.host(scene.secondary);
  const secondaryPage = await pageOf(secondary);
  const awaiting = await waitForHost(secondary, 'the secondary to listen for its peer', ({ peer }) => peer !== null && peer.address !== '');
  const peerAddress = awaiting.peer?.address ?? '';
  writeSecondaryConfig(scene, replication, { peer: peerAddress, status: secondaryPage });
  await waitForHost(primary, 'the hosts to replicate', ({ state, links }) => state === 'replicating' && links.length > 0);

  const others = { primary: replication, secondary: peerAddress, secondaryPid: secondary.pid };
  writePeerConfig(scene, others, { status: ANY_PORT });
  await processes.succeed(['init', '-c', scene.peer.config]);
  const peer = processes.host(scene.peer);
  const peerPage = await pageOf(peer);
  writePeerConfig(scene, others, { status: peerPage });
  await waitForHost(secondary, 'the peer to hold what is acknowledged', ({ mode }) => mode === 'write-back');
  return { primary, secondary, peer, primaryPage, secondaryPage, peerPage };
}

/** Ask a host until its status is as wanted. @throws FarshoreError ERR_DEMO_TIMEOUT, ERR_DEMO_HOST_ENDED */
export function waitForHost(host: HostProcess, what: string, wanted: (report: StatusReport) => boolean): Promise<StatusReport> {
  return until(
    async () => {
      host.assertRuns();
      const report = await statusOf(host);
      return report !== null && wanted(report) ? report : null;
    },
    { what, limitMs: START_MS },
  );
}

/** Status of a host; null while nobody answers. */
export function statusOf(host: HostProcess): Promise<StatusReport | null> {
  return askStatus(host.files.target).catch(() => null);
}

function pageOf(host: HostProcess): Promise<string> {
  return until(
    async () => {
      host.assertRuns();
      return host.statusAddress();
    },
    { what: `the status page of the ${host.files.role}`, limitMs: START_MS },
  );
}
