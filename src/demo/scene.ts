/** The demo's folder, and the two configs in it. */
import { mkdtempSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
/** What the demo may use of the disk beside volumes and journals. */
const REST_BYTES = 64 * MIB;
/** Longest path of a Unix socket on Linux, in bytes. */
const SOCKET_PATH_BYTES_MAX = 107;

export interface HostFiles {
  readonly role: 'primary' | 'secondary';
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
}

/** Make the folder. @throws FarshoreError ERR_DEMO_SPACE */
export function makeScene(): Scene {
  const parent = shortEnough(tmpdir()) ? tmpdir() : '/tmp';
  const neededBytes = 2 * SIZES_BYTES.reduce((sum, bytes) => sum + bytes, 0) + SLOTS * SLOT_BYTES + REST_BYTES;
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
  return { folder, volumes, primary: filesOf('primary', folder, volumes), secondary: filesOf('secondary', folder, volumes) };
}

/** The primary's config. Port 0 lets the kernel choose; once it has, the config is written again, so that a restart listens there too. */
export function writePrimaryConfig(scene: Scene, listen: { replication: string; status: string }): void {
  const lines = [
    ...commonLines(scene, scene.primary),
    `replication: { listen: ${JSON.stringify(listen.replication)} }`,
    `dataSets: { minAge: 10ms, maxAge: 100ms, maxSize: ${SLOT_BYTES - MIB} }`,
    'backlog: { limit: 64MiB, policy: throttle }',
    `status: { listen: ${JSON.stringify(listen.status)} }`,
  ];
  writeFileSync(scene.primary.config, `${lines.join('\n')}\n`);
}

export function writeSecondaryConfig(scene: Scene, primaryAddress: string, listen: { status: string }): void {
  const lines = [
    ...commonLines(scene, scene.secondary),
    `replication: { connect: [ ${JSON.stringify(`ws://${primaryAddress}`)} ], links: 2 }`,
    `journals: { path: ./secondary/journals, slots: ${SLOTS}, size: ${SLOT_BYTES} }`,
    'mode: write-through',
    `status: { listen: ${JSON.stringify(listen.status)} }`,
  ];
  writeFileSync(scene.secondary.config, `${lines.join('\n')}\n`);
}

function commonLines({ volumes }: Scene, host: HostFiles): string[] {
  return [
    `role: ${host.role}`,
    'group: demo',
    `state: ./${host.role}`,
    'volumes:',
    ...volumes.map(
      ({ name, blocks }, vlun) => `  - { name: ${name}, vlun: ${vlun}, size: ${blocks * BLOCK_BYTES}, path: ./${host.role}/${name}.img }`,
    ),
    `nbd: { listen: ${JSON.stringify(`unix:${host.nbdSocket}`)} }`,
    'log: { level: info, format: json }',
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
