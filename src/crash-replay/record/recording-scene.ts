/** The small hosts of a recording, two or three: their folder, their configs, and the way from nothing to records that flow between them. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { geometryOf } from '../../../journals/geometry.ts';
import { waitForHost } from '../../demo/hosts.ts';
import type { DemoProcesses, HostProcess } from '../../demo/processes.ts';
import type { HostFiles } from '../../demo/scene.ts';
import { LIMITS } from '../../model/limits.ts';
import type { VolumeEntry } from '../../model/ids.ts';
import { controlSocketPath } from '../../state/state-folder.ts';
import type { HostFolder } from '../fixture-folder.ts';

export const RECORDED_GROUP = 'fixture';
const VOLUME_BYTES = 128 * 1024;
const SLOT_BYTES = LIMITS.slotBytesMin;
/** Longest path of a Unix socket on Linux, in bytes. */
const SOCKET_PATH_BYTES_MAX = 107;

export interface RecordingScene {
  readonly folder: string;
  readonly volumes: readonly VolumeEntry[];
  readonly slots: number;
  readonly slotBytes: number;
  readonly primary: HostFiles;
  readonly secondary: HostFiles;
  /** Null: the secondary is in write-through. */
  readonly peer: HostFiles | null;
}

export function makeRecordingScene(options: { volumes: number; slots: number; peer: boolean }): RecordingScene {
  const parent = fits(tmpdir()) ? tmpdir() : '/tmp';
  const folder = mkdtempSync(join(parent, 'farshore-fixture-'));
  const volumes = Array.from({ length: options.volumes }, (_, vlun) => ({ name: `vol${vlun + 1}`, vlun, sizeBytes: VOLUME_BYTES }));
  const files = (role: HostFiles['role']): HostFiles => ({
    role,
    config: join(folder, `${role}.yaml`),
    log: join(folder, `${role}.log`),
    nbdSocket: join(folder, `${role}.nbd`),
    target: { kind: 'socket', path: controlSocketPath(join(folder, role)) },
    volumePaths: volumes.map(({ name }) => join(folder, role, `${name}.img`)),
  });
  const peer = options.peer ? files('peer') : null;
  return { folder, volumes, slots: options.slots, slotBytes: SLOT_BYTES, primary: files('primary'), secondary: files('secondary'), peer };
}

/** The secondary's files. */
export function secondaryFolder({ folder, volumes, slots, slotBytes, secondary, peer }: RecordingScene): HostFolder {
  const stateDirectory = join(folder, 'secondary');
  return {
    stateDirectory,
    journals: { directory: join(stateDirectory, 'journals'), geometry: geometryOf({ slots, slotBytes }) },
    ...(peer === null ? {} : { nvram: { path: join(folder, 'peer', 'nvram'), sizeBytes: LIMITS.regionBytesMin } }),
    volumes: volumes.map((volume, index) => ({ ...volume, path: secondary.volumePaths[index] ?? '', store: 'auto' })),
  };
}

/** Run `init` of both, start the primary as an operator does and the secondary by `secondaryProgram`, and wait until they replicate. */
export async function startRecordedHosts(
  scene: RecordingScene,
  processes: DemoProcesses,
  secondaryProgram: readonly string[] | undefined,
): Promise<{ primary: HostProcess; secondary: HostProcess; peer: HostProcess | null }> {
  writePrimaryConfig(scene);
  await processes.succeed(['init', '-c', scene.primary.config]);
  const primary = processes.host(scene.primary);
  const listening = await waitForHost(primary, 'the primary to listen for its secondary', ({ replication }) => replication !== null);
  writeSecondaryConfig(scene, listening.replication?.addresses[0] ?? '');
  await processes.succeed(['init', '-c', scene.secondary.config]);
  const secondary = processes.host(scene.secondary, secondaryProgram);
  await waitForHost(primary, 'the hosts to replicate', ({ state, links }) => {
    secondary.assertRuns();
    return state === 'replicating' && links.length > 0;
  });
  return { primary, secondary, peer: scene.peer === null ? null : await startPeer(scene, scene.peer, processes) };
}

async function startPeer(scene: RecordingScene, files: HostFiles, processes: DemoProcesses): Promise<HostProcess> {
  writePeerConfig(scene, files);
  await processes.succeed(['init', '-c', files.config]);
  const peer = processes.host(files);
  // The secondary is a program without a control socket: the peer knows as well when it is taken.
  await waitForHost(peer, 'the peer to be taken', ({ state }) => state === 'replicating');
  return peer;
}

/** Data sets are cut at flushes only: what one holds follows from the seed. */
function writePrimaryConfig(scene: RecordingScene): void {
  const lines = [
    ...commonLines(scene, scene.primary),
    'replication: { listen: "127.0.0.1:0" }',
    `dataSets: { minAge: 0ms, maxAge: 1h, maxSize: ${LIMITS.dataSetBytesMin} }`,
    'backlog: { limit: 16MiB, policy: throttle }',
  ];
  writeFileSync(scene.primary.config, `${lines.join('\n')}\n`);
}

function writeSecondaryConfig(scene: RecordingScene, primaryAddress: string): void {
  const lines = [
    ...commonLines(scene, scene.secondary),
    `replication: { connect: [ ${JSON.stringify(`ws://${primaryAddress}`)} ] }`,
    `journals: { path: ./secondary/journals, slots: ${scene.slots}, size: ${scene.slotBytes} }`,
    ...(scene.peer === null ? [] : ['mode: write-back', `peer: { listen: ${JSON.stringify(`unix:${peerSocket(scene)}`)} }`]),
  ];
  writeFileSync(scene.secondary.config, `${lines.join('\n')}\n`);
}

/** What it holds outlives every boot: a fixture is read on other machines. */
function writePeerConfig(scene: RecordingScene, { config }: HostFiles): void {
  const lines = [
    'role: peer',
    `group: ${RECORDED_GROUP}`,
    'state: ./peer',
    `nvram: { path: ./peer/nvram, size: ${LIMITS.regionBytesMin}, hold: durable }`,
    `connect: [ ${JSON.stringify(`ws+unix:${peerSocket(scene)}`)} ]`,
    'log: { level: info, format: json }',
  ];
  writeFileSync(config, `${lines.join('\n')}\n`);
}

/** Where the secondary awaits its peer. */
function peerSocket({ folder }: RecordingScene): string {
  return join(folder, 'mirror.sock');
}

function commonLines({ volumes }: RecordingScene, { role, nbdSocket }: HostFiles): string[] {
  return [
    `role: ${role}`,
    `group: ${RECORDED_GROUP}`,
    `state: ./${role}`,
    'volumes:',
    ...volumes.map(({ name, vlun, sizeBytes }) => `  - { name: ${name}, vlun: ${vlun}, size: ${sizeBytes}, path: ./${role}/${name}.img }`),
    `nbd: { listen: ${JSON.stringify(`unix:${nbdSocket}`)} }`,
    'log: { level: info, format: json }',
  ];
}

function fits(parent: string): boolean {
  return Buffer.byteLength(controlSocketPath(join(parent, 'farshore-fixture-XXXXXX', 'secondary'))) <= SOCKET_PATH_BYTES_MAX;
}
