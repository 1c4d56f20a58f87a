/** The demo's folder, and the three configs in it. */
import { accessSync, constants, mkdtempSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { HostTarget } from '../cli/control-client.ts';
import { FarshoreError } from '../model/errors.ts';
import { BLOCK_BYTES } from '../model/ids.ts';
import { formatBytes } from '../model/units.ts';
import { controlSocketPath } from '../state/state-folder.ts';
import type { DemoVolume } from './history.ts';

const MIB = 1024 * 1024;
const SIZES_BYTES = [256 * MIB, 64 * MIB];
export const SLOTS = 8;
export const SLOT_BYTES = 8 * MIB;
export const REGION_BYTES = 32 * MIB;
/** Memory as a file system: what is there survives every process, and costs no disk. */
const MEMORY_FOLDER = '/dev/shm';
/** What the demo may use of the disk beside volumes and journals. */
const REST_BYTES = 64 * MIB;
/** Longest path of a Unix socket on Linux, in bytes. */
const SOCKET_PATH_BYTES_MAX = 107;

export interface HostFiles {
  readonly role: 'primary' | 'secondary' | 'peer';
  readonly config: string;
  readonly log: string;
  readonly nbdSocket: string;
  readonly target: HostTarget;
  /** Source volumes, in the order of `Scene.volumes`. */
  readonly volumePaths: readonly string[];
}

export interface Scene {
  readonly folder: string;
  readonly volumes: readonly DemoVolume[];
  readonly primary: HostFiles;
  readonly secondary: HostFiles;
  readonly peer: HostFiles;
  /** The peer's NVRAM region. */
  readonly regionPath: string;
}

/** Make the folder. @throws FarshoreError ERR_DEMO_SPACE */
export function makeScene(): Scene {
  const parent = shortEnough(tmpdir()) ? tmpdir() : '/tmp';
  const inMemory = hasRoom(MEMORY_FOLDER, REGION_BYTES + REST_BYTES / 2);
  const neededBytes =
    2 * SIZES_BYTES.reduce((sum, bytes) => sum + bytes, 0) + SLOTS * SLOT_BYTES + REST_BYTES + (inMemory ? 0 : REGION_BYTES);
  const { bavail, bsize } = statfsSync(parent);
  if (bavail * bsize < neededBytes) {
    throw new FarshoreError(
      'ERR_DEMO_SPACE',
      `the demo needs ${formatBytes(neededBytes)} below ${parent}; ${formatBytes(bavail * bsize)} are free`,
      {
        hint: 'free some space, or set TMPDIR to a folder on another disk',
        details: { folder: parent, neededBytes, freeBytes: bavail * bsize },
      },
    );
  }
  const folder = mkdtempSync(join(parent, 'farshore-demo-'));
  const volumes = SIZES_BYTES.map((bytes, index) => ({ name: `db${index + 1}`, blocks: bytes / BLOCK_BYTES }));
  const secondary = filesOf('secondary', folder, volumes);
  return {
    folder,
    volumes,
    primary: filesOf('primary', folder, volumes),
    secondary,
    // After a takeover the secondary's volumes are the peer's.
    peer: { ...filesOf('peer', folder, volumes), volumePaths: secondary.volumePaths },
    regionPath: inMemory ? join(MEMORY_FOLDER, `${basename(folder)}.nvram`) : join(folder, 'peer.nvram'),
  };
}

function hasRoom(folder: string, neededBytes: number): boolean {
  try {
    accessSync(folder, constants.W_OK);
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize >= neededBytes;
  } catch {
    return false;
  }
}

/** The primary's config. Port 0 lets the kernel choose; once it has, the config is written again, so that a restart listens there too. */
export function writePrimaryConfig(scene: Scene, listen: { replication: string; status: string }): void {
  const lines = [
    ...commonLines(scene.primary),
    ...servedLines(scene, scene.primary),
    `replication: { listen: ${JSON.stringify(listen.replication)} }`,
    `dataSets: { minAge: 10ms, maxAge: 100ms, maxSize: ${SLOT_BYTES - MIB} }`,
    'backlog: { limit: 64MiB, policy: throttle }',
    `status: { listen: ${JSON.stringify(listen.status)} }`,
  ];
  writeFileSync(scene.primary.config, `${lines.join('\n')}\n`);
}

export function writeSecondaryConfig(scene: Scene, primaryAddress: string, listen: { peer: string; status: string }): void {
  const lines = [
    ...commonLines(scene.secondary),
    ...servedLines(scene, scene.secondary),
    `replication: { connect: [ ${JSON.stringify(`ws://${primaryAddress}`)} ], links: 2 }`,
    `journals: { path: ./secondary/journals, slots: ${SLOTS}, size: ${SLOT_BYTES} }`,
    'mode: write-back',
    `peer: { listen: ${JSON.stringify(listen.peer)} }`,
    `status: { listen: ${JSON.stringify(listen.status)} }`,
  ];
  writeFileSync(scene.secondary.config, `${lines.join('\n')}\n`);
}

/** The peer's config: it reaches the secondary's volumes and journals by paths of its own, which here are the same. */
export function writePeerConfig(
  scene: Scene,
  hosts: { primary: string; secondary: string; secondaryPid: number },
  listen: { status: string },
): void {
  const lines = [
    ...commonLines(scene.peer),
    `nvram: { path: ${JSON.stringify(scene.regionPath)}, size: ${REGION_BYTES}, hold: memory }`,
    `connect: [ ${JSON.stringify(`ws://${hosts.secondary}`)} ]`,
    'takeover:',
    ...servedLines(scene, { ...scene.secondary, nbdSocket: scene.peer.nbdSocket }).map((line) => `  ${line}`),
    '  journals: { path: ./secondary/journals }',
    `  replication: { connect: [ ${JSON.stringify(`ws://${hosts.primary}`)} ], links: 2 }`,
    `  fence: [ sh, -c, ${JSON.stringify(fenceScript(hosts.secondaryPid))} ]`,
    `status: { listen: ${JSON.stringify(listen.status)} }`,
  ];
  writeFileSync(scene.peer.config, `${lines.join('\n')}\n`);
}

/** A real fence cuts the power or the storage; here the lost host is a process, which is made sure to be gone. */
function fenceScript(pid: number): string {
  return `kill -9 ${pid} 2>/dev/null; for i in 1 2 3 4 5 6 7 8 9; do kill -0 ${pid} 2>/dev/null || exit 0; sleep 0.2; done; exit 1`;
}

function commonLines(host: HostFiles): string[] {
  return [`role: ${host.role}`, 'group: demo', `state: ./${host.role}`, 'log: { level: info, format: json }'];
}

function servedLines({ volumes }: Scene, { nbdSocket, role }: HostFiles): string[] {
  return [
    'volumes:',
    ...volumes.map(
      ({ name, blocks }, vlun) => `  - { name: ${name}, vlun: ${vlun}, size: ${blocks * BLOCK_BYTES}, path: ./${role}/${name}.img }`,
    ),
    `nbd: { listen: ${JSON.stringify(`unix:${nbdSocket}`)} }`,
  ];
}

function filesOf(role: HostFiles['role'], folder: string, volumes: readonly DemoVolume[]): HostFiles {
  return {
    role,
    config: join(folder, `${role}.yaml`),
    log: join(folder, `${role}.log`),
    nbdSocket: join(folder, `${role}.nbd`),
    target: { kind: 'socket', path: controlSocketPath(join(folder, role)) },
    volumePaths: volumes.map(({ name }) => join(folder, role, `${name}.img`)),
  };
}

function shortEnough(parent: string): boolean {
  return Buffer.byteLength(controlSocketPath(join(parent, 'farshore-demo-XXXXXX', 'secondary'))) <= SOCKET_PATH_BYTES_MAX;
}
